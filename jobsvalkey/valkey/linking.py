"""Links a script with what it uses of the libraries.

A library is a list of definitions; each begins with `local` in the first column. A line `-- uses: NAME …`, of a script
or inside of a definition, is replaced by those definitions of these libraries, and of what they use, that the rest of
its block refers to. What stands further up is not repeated. In an inner block, such a line keeps what a frequent case
does not need out of its way: a function that is not defined costs nothing.

A variable, to which other definitions assign, stands at the script's first line of this kind, so that all share it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from textwrap import indent
from typing import Final

_USES: Final = re.compile(r"^( *)-- uses: (.*)\n", re.M)
_DEFINITION: Final = re.compile(r"^(?=(?:--.*\n)*local )", re.M)
_DEFINED: Final = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.M)
_NOT_CODE: Final = re.compile(r"'[^'\n]*'|--.*")
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_ASSIGNED: Final = re.compile(r"(?<!local )(?<!= )\b(?<!\.)(\w+)(?:\[\w+\])?(?=(?:, \w+(?:\[\w+\])?)* = )")


@dataclass(frozen=True, eq=False)
class _Text:
    """Lua text, with the place of its first `-- uses:` line, if there is one."""

    text: str

    @cached_property
    def _line(self) -> re.Match[str] | None:
        return _USES.search(self.text)

    @cached_property
    def libraries(self) -> list[str] | None:
        return self._line[2].split() if self._line else None

    @cached_property
    def indentation(self) -> str:
        return self._line[1] if self._line else ""

    @cached_property
    def _end(self) -> int:
        """Find the end of the block of that line."""
        if not self._line:
            return len(self.text)
        end = self.indentation and re.compile(rf"^(?!{self.indentation}|\n)", re.M).search(self.text, self._line.end())
        return end.start() if end else len(self.text)

    @cached_property
    def before(self) -> str:
        return self.text[: self._line.start()] if self._line else self.text

    @cached_property
    def block(self) -> "_Text":
        """Return what follows the line in its block."""
        return _Text(self.text[self._line.end() : self._end] if self._line else "")

    @cached_property
    def rest(self) -> "_Text":
        """Return what follows the block."""
        return _Text(self.text[self._end :])

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in what stands before the line."""
        return frozenset(_NAME.findall(_NOT_CODE.sub("", self.before)))


@dataclass(frozen=True, eq=False)
class _Definition:
    library: str
    names: tuple[str, ...]
    text: _Text

    @cached_property
    def assigned(self) -> frozenset[str]:
        """The names that it assigns to."""
        return frozenset(_ASSIGNED.findall(self.text.text))


class Libraries:
    """The libraries, by name."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources
        self._definitions = cache(self._definitions_of)
        self._with_used = cache(self._with_used_of)

    def used_by(self, source: str) -> list[str]:
        """The libraries that a source names, and those that they use, each after what it uses."""
        return self.with_used(name for _, names in _USES.findall(source) for name in names.split())

    def with_used(self, names: Iterable[str]) -> list[str]:
        """Libraries, and those that they use, each after what it uses."""
        found: dict[str, None] = {}
        for name in names:
            found |= dict.fromkeys(self._with_used(name))
        return list(found)

    def link(self, source: str) -> str:
        """Replace the `-- uses:` lines of a source.

        Raises:
            LookupError: It refers to something of a library that no such line further up names.
        """
        available = [each for name in self.used_by(source) for each in self._definitions(name)]
        return _Linker(self, available).link(_Text(source), None)

    def _with_used_of(self, library: str) -> list[str]:
        # An inner block may name its own library: what stands there for it alone.
        used = (name for _, names in _USES.findall(self.sources[library]) for name in names.split())
        return [*self.with_used(name for name in used if name != library), library]

    def _definitions_of(self, library: str) -> list[_Definition]:
        texts = _DEFINITION.split(self.sources[library])
        return [
            _Definition(library, tuple(found[1].split(", ")), _Text(text))
            for text in texts
            if (found := _DEFINED.search(text))
        ]


class _Linker:
    """Links one script."""

    def __init__(self, libraries: Libraries, available: list[_Definition]) -> None:
        self._libraries = libraries
        self._available = available
        self._named = {name: each for each in available for name in each.names}
        self._variables = {
            self._named[name] for each in available for name in each.assigned if self._named.get(name, each) is not each
        }

    def link(self, source: _Text, above: frozenset[_Definition] | None) -> str:
        """Replace the `-- uses:` lines of a text; `above` is what stands further up, `None` for a whole script."""
        if source.libraries is None:
            return source.text
        needed = self._needed(source.block)
        there = self._put_in(source.libraries, needed)
        if above is None:
            there |= needed & self._variables
            if unknown := sorted(name for each in needed - there for name in each.names):
                raise LookupError(f"no line '-- uses:' further up names the library of {', '.join(unknown)}")
        present = above or frozenset[_Definition]()
        standing = present | there
        put_in = "".join(self.link(each.text, standing) for each in self._available if each in there - present)
        return (
            source.before
            + indent(put_in, source.indentation)
            + self.link(source.block, standing)
            + self.link(source.rest, present)
        )

    def _put_in(self, libraries: list[str], needed: frozenset[_Definition]) -> frozenset[_Definition]:
        """Those definitions that stand at a line that names these libraries, if they do not stand further up."""
        used = self._libraries.with_used(libraries)
        return frozenset(each for each in needed if each.library in used and each not in self._variables)

    def _needed(self, block: _Text) -> frozenset[_Definition]:
        """Find what a block refers to, and what that uses, but for what inner blocks put in themselves."""
        found = set[_Definition]()
        asked = [block]
        while asked:
            for each in self._referred(asked.pop()) - found:
                found.add(each)
                asked.append(each.text)
        return frozenset(found)

    def _referred(self, text: _Text) -> set[_Definition]:
        found = {self._named[name] for name in text.names if name in self._named}
        if text.libraries is not None:
            needed = self._needed(text.block)
            found |= needed - self._put_in(text.libraries, needed) | self._referred(text.rest)
        return found
