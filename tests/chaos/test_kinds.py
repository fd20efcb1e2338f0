"""One run of each kind of fault that this machine can make."""

from collections.abc import Iterator

import pytest

from tests.chaos.all_kinds import KINDS
from tests.chaos.crew import CrewProcess
from tests.chaos.kind import Kind
from tests.chaos.run import run

SEED = 0
POSSIBLE = [kind for kind in KINDS.values() if kind.is_possible]


@pytest.fixture(scope="module")
def process() -> Iterator[CrewProcess]:
    with CrewProcess() as process:
        yield process


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=kind.id, marks=[pytest.mark.slow] if kind.is_slow else []) for kind in POSSIBLE]
)
async def test_what_is_promised_holds(kind: Kind, process: CrewProcess) -> None:
    outcome = await run(kind, SEED, process)
    assert outcome.wrong == []
    assert outcome.acknowledged > 0
    if kind.is_control:
        assert outcome.lost + outcome.doubled > 0, "the kind beside it proves nothing"


def test_there_are_as_many_kinds_as_we_say() -> None:
    assert len(KINDS) >= 18
