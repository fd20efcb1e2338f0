"""What can be left out of the twin for the jobs that have one feature more: statements and branches."""

import ast
from collections.abc import Iterator

from tests.mutation.features import PYTHON, STATE
from tests.mutation.point import Place, Point, points
from tests.mutation.python_points import Spans

ID = f"getattr({STATE}, 'jobs', {{{{}}}}).get({{}})"
JOBS = {"job": "{}", "job_id": ID, "child": ID, "callback": ID}
"""The names that jobs and their ids have in the twin. One that is absent has no feature."""
STATELESS = "class Lanes:"
"""In a module whose methods cannot ask the store."""


def python_combinations(path: str, source: str) -> list[Point]:
    """Find all statements and branches of a module, each to be left out if the job has one of the features."""
    changes = [
        (place.start, place.stop, without(source[place.start : place.stop], place, feature))
        for place in places(source)
        for feature in features_in(source)
    ]
    return points(path, source, changes)


def features_in(source: str) -> list[str]:
    """Name the features that can be asked for in a module."""
    return [name for name, condition in PYTHON.items() if STATELESS not in source or STATE not in condition]


def without(text: str, place: Place, feature: str) -> str:
    """Return a statement or a condition so that it does nothing for jobs with a feature."""
    asked = f"any({PYTHON[feature].format('each_job')} for each_job in [{place.subject}] if each_job)"
    return f"({text}) and not {asked}" if place.is_condition else f"if not {asked}: {text}"


def places(source: str) -> Iterator[Place]:
    """Find the statements and branches of methods that are about a job, by the names that are known there."""
    span = Spans(source).span
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.args[:1]:
            names = [each.arg for each in node.args.args]
            if names[0] == "self":
                for part, is_condition, subject in _of_block(node.body, names):
                    yield Place(*span(part), is_condition, subject)


def _of_block(body: list[ast.stmt], known: list[str]) -> Iterator[tuple[ast.expr | ast.stmt, bool, str]]:
    known = known[:]
    for statement in body:
        match statement:
            case ast.If(test=test):
                known += [node.target.id for node in ast.walk(test) if isinstance(node, ast.NamedExpr)]
                if subject := _subject(test, known):
                    yield test, True, subject
                yield from _of_block(statement.body, known)
                yield from _of_block(statement.orelse, known)
            case ast.For(target=target):
                yield from _of_block(
                    statement.body, known + [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
                )
            case ast.While() | ast.With():
                yield from _of_block(statement.body, known)
            case ast.Match():
                for case in statement.cases:
                    yield from _of_block(case.body, known)
            case ast.Assign(targets=[ast.Name(id=name)]):
                if name in known and (subject := _subject(statement, known)):
                    yield statement, False, subject
                known.append(name)
            case ast.Assign(targets=[ast.Tuple(elts=names)]):
                known += [node.id for node in names if isinstance(node, ast.Name)]
            case ast.Expr(value=ast.Call()) | ast.Assign() | ast.AugAssign() | ast.Delete():
                if subject := _subject(statement, known):
                    yield statement, False, subject
            case _:
                pass


def _subject(node: ast.AST, known: list[str]) -> str | None:
    """Say which job a statement is about: one that it names, or else the innermost one."""
    named = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    jobs = [name for name in reversed(known) if name in JOBS]
    name = next(iter([each for each in jobs if each in named] or jobs), None)
    return name and JOBS[name].format(name)
