"""The processes of one run, as whoever makes the faults sees them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from jobsvalkey_conformance.history.calls import Exchange, Push

from jobsvalkey import JobID
from tests.chaos.log import Entry, LogReader
from tests.chaos.roles import Role

ROOT = Path(__file__).parents[2]


class CrewProcess:
    """Makes processes. `command` and `environment` say how it is started itself, if not as a plain program."""

    def __init__(self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        words = [*command, sys.executable, "-m", "tests.chaos.crew_process"]
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        self._is_ready = False

    @property
    def number(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it is the program that it is to be, in the surroundings that its command makes."""
        assert self._process.stdout is not None
        if not self._is_ready:
            assert self._process.stdout.readline() == "ready\n"
            self._is_ready = True

    def start(self, role: Role) -> int:
        """The number of the process that plays the role."""
        self.wait_until_ready()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asdict(role), default=str) + "\n")
        stdin.flush()
        return int(stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()  # at which it kills all that it has made, and itself


class Member:
    """One process of a crew."""

    def __init__(self, role: Role, number: int) -> None:
        self.role = role
        self.number = number
        self.entries: list[Entry] = []
        self.acknowledged: dict[JobID, int] = {}
        """The jobs that it has pushed, and when that was acknowledged."""
        self.ran: list[JobID] = []
        """The jobs whose handler came to its end here, as often as it did."""
        self.answered_at = 0
        """When a push or an exchange was answered for the last time."""
        self.killed_at: int | None = None
        self.is_stopping: bool = False
        """Whether it was asked to come to its end."""
        self._steps: dict[int, Push | Exchange] = {}
        self._reader = LogReader(role.log)

    def look(self) -> None:
        """Read what it has noted since."""
        for entry in self._reader.new():
            self.entries.append(entry)
            if entry.what == "asked" and isinstance(entry.value, Push | Exchange):
                self._steps[entry.call] = entry.value
            elif entry.what == "answered" and (step := self._steps.pop(entry.call, None)):
                self.answered_at = entry.at
                if isinstance(step, Push):
                    self.acknowledged.update(dict.fromkeys((item.job_id for item in step.items), entry.at))
            elif entry.what == "ran":
                self.ran.append(entry.value)

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.number, which)

    @property
    def has_left(self) -> bool:
        """Whether it has come to its end, or was killed."""
        return self.killed_at is not None or any(entry.what == "left" for entry in self.entries[-1:])

    @property
    def errors(self) -> str:
        """The last that it said."""
        path = self.role.log.with_suffix(".err")
        return path.read_text()[-500:] if path.exists() else ""


class Crew:
    """Pushers and workers, by name."""

    def __init__(
        self, process: CrewProcess, folder: Path, url: str, queue_key: str, seed: int, *, durable: bool
    ) -> None:
        self.process = process
        self.members: list[Member] = []
        self._folder = folder
        self._url = url
        self._queue_key = queue_key
        self._seed = seed
        self._durable = durable

    def start(self, role: str, *, process: CrewProcess | None = None, url: str | None = None) -> Member:
        """One more process."""
        name = f"{role}-{len(self.members)}"
        orders = Role(
            role="pusher" if role == "pusher" else "worker",
            name=name,
            url=url or self._url,
            queue_key=self._queue_key,
            log=self._folder / f"{name}.log",
            seed=self._seed,
            durable=self._durable,
        )
        member = Member(orders, (process or self.process).start(orders))
        self.members.append(member)
        return member

    @property
    def pushers(self) -> list[Member]:
        """Those that push, and are to go on."""
        return self._those("pusher")

    @property
    def workers(self) -> list[Member]:
        """Those that run jobs, and are to go on."""
        return self._those("worker")

    def _those(self, role: str) -> list[Member]:
        return [
            member
            for member in self.members
            if member.role.role == role and member.killed_at is None and not member.is_stopping
        ]

    def kill(self, member: Member) -> None:
        """SIGKILL."""
        member.killed_at = time.monotonic_ns()
        member.signal(signal.SIGKILL)

    def freeze(self, member: Member) -> None:
        """SIGSTOP."""
        member.signal(signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        """SIGCONT."""
        member.signal(signal.SIGCONT)

    def stop(self, members: Sequence[Member]) -> None:
        """SIGTERM."""
        for member in members:
            member.is_stopping = True
            member.signal(signal.SIGTERM)

    def look(self) -> None:
        """Read what all have noted."""
        for member in self.members:
            member.look()

    @property
    def acknowledged(self) -> dict[JobID, int]:
        """The jobs whose push was acknowledged, and when."""
        return {job_id: at for member in self.members for job_id, at in member.acknowledged.items()}

    @property
    def ran(self) -> list[JobID]:
        """The jobs whose handler came to its end, as often as it did."""
        return [job_id for member in self.members for job_id in member.ran]

    def close(self) -> None:
        """Kill all."""
        for member in self.members:
            self.kill(member)
