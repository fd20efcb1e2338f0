"""Jobs move in four ways, each one function of the twin, and one function finds a job. No other code does that."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobsvalkey_memory

SOURCES = sorted(Path(jobsvalkey_memory.__file__).parent.glob("*.py"))
WAYS = {
    "_find_job": ["self.state.jobs.get(job_id)"],
    "_enter": ["status=JobStatus.PENDING"],
    "_unclaim": ["holder.claims.pop(token)"],
    "_end_job": ["self.state.ended.append(job)"],
    "_vanish": ["self.state.take(job.job_id)"],
}
HELPERS = {
    "_find_job": ["_is_known"],  # a push asks for what is beyond its retention, too
    "_vanish": ["_cut"],  # what waits is taken out of its wait by all the ways that it may go
}
ELSEWHERE = ("claims.clear(", "del holder.claims", "del claims", ".claims = ")


def functions() -> Iterator[tuple[str, str]]:
    """Give the name and the code of each function of the twin that has no other inside."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, ast.unparse(node)


@pytest.mark.parametrize("way", WAYS)
def test_one_function_does_the_work_of(way: str) -> None:
    for work in WAYS[way]:
        found = sorted(name for name, code in functions() if work in code)
        assert found == sorted([way, *HELPERS.get(way, [])]), work


@pytest.mark.parametrize("work", ELSEWHERE)
def test_no_claim_ends_elsewhere(work: str) -> None:
    assert [name for name, code in functions() if work in code] == []
