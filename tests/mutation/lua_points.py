"""What can be changed in a Lua script: comparisons, constants, arguments, conditions and calls."""

import re
from collections.abc import Iterator

from tests.mutation.point import Point, points

TOKENS = re.compile(
    r"""(?P<comment>--[^\n]*)|(?P<string>'(?:\\.|[^'\\])*')|(?P<number>\b\d+(?:\.\d+)?\b)
    |(?P<word>[A-Za-z_][\w.:]*)|(?P<operator>\.\.|==|~=|<=|>=|[-+*/%<>=\#,(){}\[\];])|(?P<space>\s+)|(?P<other>.)""",
    re.X,
)
OPERATORS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("~=",),
    "~=": ("==",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
}
WORDS = {"and": "or", "or": "and", "true": "false", "false": "true"}
STATEMENT = re.compile(r"^( *)([A-Za-z_][\w.:]*)\((.*)\)$", re.M)
CONDITION = re.compile(r"\b(?:if|elseif|while) (.+?) (?:then|do)\b")
KEYWORDS = {"and", "or", "not", "if", "elseif", "while", "return", "in", "function", "local", "until"}
Token = tuple[str, str, int, int]


def tokens(source: str) -> list[Token]:
    """Split a script: kind, text, begin and end of each token, without comments and spaces."""
    found = ((match.lastgroup or "", match[0], match.start(), match.end()) for match in TOKENS.finditer(source))
    return [token for token in found if token[0] not in ("comment", "space")]


def lua_points(path: str, source: str) -> list[Point]:
    """Find all changes of a script or a library."""
    found: list[tuple[int, int, str]] = []
    all_tokens = tokens(source)
    for at, (kind, text, start, stop) in enumerate(all_tokens):
        before = all_tokens[at - 1][1] if at else ""
        is_sign = text == "-" and not (before in (")", "]") or all_tokens[at - 1][0] in ("word", "number", "string"))
        if kind == "operator" and not (is_sign or before in KEYWORDS):
            found += [(start, stop, new) for new in OPERATORS.get(text, ())]
        elif kind == "number":
            found.append((start, stop, str(int(text) + 1) if text.isdigit() else f"{text}1"))
        elif kind == "string" and text == "''":
            found.append((start, stop, "'x'"))
        elif text in WORDS:
            found.append((start, stop, WORDS[text]))
        elif text == "not":
            found.append((start, all_tokens[at + 1][2], ""))
        elif kind == "word" and before != "function" and _is_call(all_tokens, at):
            found += [(begin, end, "nil") for begin, end in _arguments(all_tokens, at + 1)]
    comments = [(match.start(), match.end()) for match in re.finditer(r"--[^\n]*", source)]
    code = "".join(" " if any(b <= n < e for b, e in comments) else c for n, c in enumerate(source))
    for match in STATEMENT.finditer(code):
        if is_balanced(match[3]) and match[2] not in KEYWORDS:
            found.append((match.start(2), match.end(), "do end"))
    found += [(*match.span(1), f"not ({match[1]})") for match in CONDITION.finditer(code) if is_balanced(match[1])]
    return points(path, source, found)


def _is_call(found: list[Token], at: int) -> bool:
    # A command of the server with one argument less is an error at once, whatever it is for.
    is_name = found[at][1] not in KEYWORDS and not found[at][1].startswith("redis.")
    return is_name and at + 1 < len(found) and found[at + 1][1] == "(" and found[at + 1][2] == found[at][3]


def _arguments(found: list[Token], opening: int) -> Iterator[tuple[int, int]]:
    """Find the arguments of a call, given where its parenthesis is."""
    depth, begin = 0, found[opening][3]
    for _, text, start, stop in found[opening:]:
        depth += (text in "({[") - (text in ")}]")
        if (text == "," and depth == 1) or depth == 0:
            if start > begin:
                yield begin, start
            begin = stop
        if depth == 0:
            return
        if begin == stop and text in "(,":
            begin = stop


def is_balanced(text: str) -> bool:
    depth = 0
    for _, token, _, _ in tokens(text):
        depth += (token == "(") - (token == ")")
        if depth < 0:
            return False
    return depth == 0
