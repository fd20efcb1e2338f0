"""What can be changed in Python: comparisons, constants, arguments, conditions and calls."""

import ast
from itertools import chain

from tests.mutation.point import Point, points

COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
Change = tuple[int, int, str]


class Spans:
    """Where the parts of a source are."""

    def __init__(self, source: str) -> None:
        self._begins = [0]
        self._utf8 = [line.encode() for line in source.splitlines(keepends=True)]
        for line in source.splitlines(keepends=True):
            self._begins.append(self._begins[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the begin and the end of a node, in letters."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line: int, column: int) -> int:
        return self._begins[line - 1] + len(self._utf8[line - 1][:column].decode())


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.source = source
        self._span = Spans(source).span
        self.found: list[Change] = []

    def _text(self, node: ast.expr) -> str:
        start, stop = self._span(node)
        return self.source[start:stop]

    def _between(self, left: ast.expr, right: ast.expr, new: str) -> None:
        """Replace what stands between two operands, but for parentheses around them."""
        start, stop = self._span(left)[1], self._span(right)[0]
        between = self.source[start:stop]
        before = between[: len(between) - len(between.lstrip(" )\n"))]
        after = between[len(between.rstrip(" (\n")) :]
        self.found.append((start + len(before), stop - len(after), new))

    # What says nothing at run time, or only to readers, is passed over.

    def visit_Import(self, node: ast.Import) -> None: ...

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None: ...

    def visit_Raise(self, node: ast.Raise) -> None: ...

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._body(node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in chain(node.args.defaults, filter(None, node.args.kw_defaults)):
            self.visit(default)
        self._body(node.body)

    def visit_Module(self, node: ast.Module) -> None:
        self._body(node.body)

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text:
                self.visit(statement)

    # What is changed.

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            for new in COMPARISONS[type(operator)]:
                self._between(left, right, new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, "or" if isinstance(node.op, ast.And) else "and")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        is_format = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str | bytes)
        if (new := OPERATORS.get(type(node.op))) and not is_format:
            self._between(node.left, node.right, new)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if new := OPERATORS.get(type(node.op)):
            self._between(node.target, node.value, f"{new}=")
        self.visit(node.value)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start, stop = self._span(node)
            self.found.append((start, stop, self._text(node.operand)))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        start, stop = self._span(node)
        match node.value:
            case bool():
                self.found.append((start, stop, str(not node.value)))
            case int() | float():
                self.found.append((start, stop, repr(node.value + 1)))
            case bytes():
                self.found.append((start, stop, repr(node.value + b"x")))
            case str():
                self.found.append((start, stop, repr(node.value + "x")))
            case _:
                pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...

    def _condition(self, node: ast.expr) -> None:
        start, stop = self._span(node)
        self.found.append((start, stop, f"(not ({self.source[start:stop]}))"))

    def visit_If(self, node: ast.If) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for argument in node.args:
            if not isinstance(argument, ast.Starred | ast.Constant):
                self.found.append((*self._span(argument), "None"))
        for keyword in node.keywords:
            if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
                self.found.append((*self._span(keyword.value), "None"))
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        inner = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(inner, ast.Call):
            self.found.append((*self._span(node), "pass"))
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self.found.append((*self._span(node.value), "None"))
        self.generic_visit(node)


def python_points(path: str, source: str) -> list[Point]:
    """Find all changes of a module."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return points(path, source, finder.found)
