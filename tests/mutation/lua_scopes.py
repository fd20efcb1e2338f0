"""Which variables of a Lua script a line can name: those of its block, and of the blocks around it."""

import re
from bisect import bisect_left

from tests.mutation.lua_points import Token, tokens

ARGUMENTS = re.compile(r"^-- args: (.*)$", re.M)
Scope = list[str]
"""The names, the innermost last."""


class Scopes:
    """The scopes of a script, by place."""

    def __init__(self, source: str) -> None:
        self._blocks: list[Scope] = [[word for asked in ARGUMENTS.findall(source) for word in asked.split()]]
        self._places: list[int] = [-1]
        self._scopes: list[Scope] = [self._blocks[0][:]]
        found = tokens(source)
        pending: list[str] = []  # of a `for`, for its block
        for at, (_, text, start, stop) in enumerate(found):
            if text in ("end", "until", "elseif", "else") and len(self._blocks) > 1:
                self._blocks.pop()
            if text == "function":
                opening = next(n for n in range(at, len(found)) if found[n][1] == "(")
                self._blocks.append(_names(found, opening + 1))
            elif text == "for":
                pending = _names(found, at + 1)
            elif text in ("do", "then", "repeat", "else"):
                self._blocks.append(pending if text == "do" else [])
                pending = [] if text == "do" else pending
            elif text == "local" and found[at + 1][1] != "function":
                # They are there once the statement is over, which is on one line if what follows is to be changed.
                line_end = source.find("\n", stop)
                self._blocks[-1] += _names(found, at + 1)
                start = line_end if line_end >= 0 else stop
            else:
                if text not in ("end", "until", "elseif"):
                    continue
            self._places.append(max(start, self._places[-1]))
            self._scopes.append([name for block in self._blocks for name in block])

    def at(self, place: int) -> Scope:
        """Return the names at a place."""
        return self._scopes[bisect_left(self._places, place + 1) - 1]


def _names(found: list[Token], at: int) -> list[str]:
    names: list[str] = []
    while at < len(found) and (found[at][0] == "word" or found[at][1] == ","):
        if found[at][1] in ("in", "do"):
            break
        if found[at][1] != ",":
            names.append(found[at][1])
        if found[at + 1][1] != "," and found[at][1] != ",":
            break
        at += 1
    return names
