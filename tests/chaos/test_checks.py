"""What a run must not show is found, and what it may show is not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jobsvalkey_conformance.history.calls import Exchange
from jobsvalkey_conformance.history.record import Event, History

from jobsvalkey import new_job_id
from jobsvalkey.contract import Claim, DriverConfiguration, Exchanged, Finish, Retry, SettleOutcome
from tests.chaos.checks import doubled, orphans, violations
from tests.chaos.crew import Crew, Member
from tests.chaos.log import Entry, Log, LogReader
from tests.chaos.roles import Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = new_job_id()


def claimed(at: int, worker: str, token: bytes, recoveries: int = 0) -> Event:
    """An exchange of a process of the same name in which the worker is given the job."""
    claim = Claim(JOB, token, b"request", NOW, NOW, recoveries)
    return Event(worker, Exchange(worker, at, limit=1), at, at + 1, Exchanged([], [], [claim]), (NOW, NOW))


def settled(at: int, worker: str, settlement: Any) -> Event:
    """One in which it settles it."""
    answer = Exchanged([SettleOutcome.SETTLED], [], [])
    return Event(worker, Exchange(worker, at, (settlement,)), at, at + 1, answer, (NOW, NOW))


def found(
    tmp_path: Path, *events: Event, started: int = 1, killed_at: int | None = None
) -> tuple[list[str], list[int]]:
    """What the checks say of the history of one process, which has started the job so often."""
    crew = Crew(Any, tmp_path, "", "", 0, durable=False)  # pyright: ignore[reportArgumentType]
    for name in ("a", "b"):
        role = Role(role="worker", name=name, url="", queue_key="", log=tmp_path / name, seed=0)
        member = Member(role, 0)
        member.entries = [Entry(0, "started", 0, JOB)] * (started if name == "a" else 0)
        member.killed_at = killed_at if name == "a" else None
        crew.members.append(member)
    history = History(DriverConfiguration(), list(events))
    return list(doubled(history, crew).values()), list(orphans(history, crew))


@pytest.mark.parametrize(
    ("events", "started", "why"),
    [
        ([claimed(1, "a", b"1")], 1, None),
        ([claimed(1, "a", b"1"), claimed(3, "b", b"1", recoveries=1)], 1, None),
        ([claimed(1, "a", b"1"), settled(3, "a", Retry(JOB, b"1", b"again", None)), claimed(5, "b", b"1")], 1, None),
        ([claimed(1, "a", b"1"), claimed(1, "a", b"1")], 1, None),
        ([claimed(1, "a", b"1"), claimed(3, "b", b"1")], 1, "claimed 2 times, and recovered 0 times"),
        ([claimed(1, "a", b"1")], 2, "a has started it 2 times, and was given it 1 times"),
        (
            [claimed(1, "a", b"1"), settled(3, "a", Finish(JOB, b"1")), claimed(5, "b", b"1", recoveries=1)],
            1,
            "claimed after its completion was acknowledged",
        ),
        (
            [
                *(claimed(1, "a", b"1"), claimed(3, "b", b"1", recoveries=1)),
                *(settled(5, "a", Finish(JOB, b"1")), settled(7, "b", Finish(JOB, b"1"))),
            ],
            1,
            "completed under two claims",
        ),
    ],
)
def test_what_is_doubled(tmp_path: Path, events: list[Event], started: int, why: str | None) -> None:
    told, _ = found(tmp_path, *events, started=started)
    assert len(told) == (why is not None)
    assert why is None or why in told[0]


def test_the_checks_of_the_kit_are_made() -> None:
    (said,) = violations(History(DriverConfiguration(), [claimed(1, "a", b"1")]))
    assert "nobody had pushed it" in said


def test_how_long_the_jobs_of_a_dead_process_wait(tmp_path: Path) -> None:
    _, waits = found(tmp_path, claimed(1, "a", b"1"), claimed(30, "b", b"1", recoveries=1), killed_at=10)
    assert waits == [21]


def test_an_entry_that_was_cut_short_is_left_until_its_rest_has_come(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log, reader = Log(path), LogReader(path)
    assert list(reader.new()) == []
    log.write("started", value=JOB)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert list(reader.new()) == []
    path.write_bytes(whole)
    (entry,) = reader.new()
    assert (entry.what, entry.value) == ("started", JOB)
