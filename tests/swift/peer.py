"""A Swift service that plays a recording: the same commands, in the same order, on a real server.

It goes by what the server answers where the library does: a poll that finds nothing ends the recording, a request that
is gone is failed as the library fails it, and a worker whose lock is held is left alone.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import uuid4

from valkey.asyncio import Valkey

from jobsvalkey import JobID, new_job_id
from jobsvalkey_memory import ManualClock
from tests.swift.recordings import Command, Step, recording

GONE: Final = "pop an id whose request is gone"
_REFERENCE = datetime(2001, 1, 1, tzinfo=UTC)
_QUEUE = re.compile(r"(?<![A-Za-z0-9])Q(?![A-Za-z0-9])")
_WORD = re.compile(r"<(unix|ref|id|lock)([+-]?[0-9.]+)>")
_ID = re.compile(r"<id\d+>")
_LOCK_TIME = 3600
"""Seconds that locks last, by the server's own clock: they end when the test says so."""

# What a function does with its commands: it pops what is due, or goes on if the first command has found something.
_FUNCTION = """
local now, at, first, taken = ARGV[1], 2, nil, nil
while ARGV[at] do
  local words = {}
  for n = 1, tonumber(ARGV[at]) do
    local word = ARGV[at + n]
    if taken then word = word:gsub('<id%d+>', taken):gsub('<score>', taken) end
    words[n] = word
  end
  at = at + 1 + #words
  local reply = redis.call(unpack(words))
  if first == nil then
    first = reply
    if not reply or reply == 0 or type(reply) == 'table' and #reply == 0 then return false end
    if type(reply) == 'table' and reply[1] then
      taken = reply[1]
      if tonumber(reply[2]) > tonumber(now) then
        redis.call('ZADD', words[2], reply[2], reply[1])
        return false
      end
    elseif type(reply) == 'string' then
      taken = reply
    end
  end
end
return taken or 'OK'
"""


class SwiftPeer:
    """A process with the Swift library, and one worker in it where a recording has one."""

    def __init__(self, client: Valkey, queue_key: str, clock: ManualClock) -> None:
        self.client: Any = cast(Any, client)
        self.key = queue_key
        self.clock = clock

    def plays(self, version: str, situation: str, **names: JobID | str) -> "Play":
        """A recording, to be played step by step, with values for some of its placeholders, such as `id1`."""
        return Play(self, version, situation, {f"<{name}>": str(value) for name, value in names.items()})

    async def push(self, version: str, name: str, parameters: str = "{}") -> JobID:
        """Push a job by the commands of that version, with other contents."""
        play = self.plays(version, "push")
        play.request = f'{{"{name}":{{"p":{parameters},"q":<ref-0.003>,"a":1}}}}'
        await play.rest()
        return JobID.parse(play.names["<id1>"])

    async def let_locks_run_out(self) -> None:
        """As after the time of all locks of workers: nobody renews them."""
        keys = [key async for key in self.client.scan_iter(match=f"{self.key}.metadata.worker.*", count=1000)]
        if keys:
            await self.client.delete(*keys)


class Play:
    """One recording in the course of being played."""

    def __init__(self, peer: SwiftPeer, version: str, situation: str, names: dict[str, str]) -> None:
        self.version = version
        self.names = names
        self.request: str | None = None
        """In place of the request that was recorded."""
        self.steps: list[Step] = recording(version, situation)
        self.at = 0
        """The number of the next step."""
        self.ended: set[str] = set()
        """Ids of jobs that a worker has run to their ends, or tried to."""
        self._peer = peer
        self._began = peer.clock.now()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to play."""
        return self.at >= len(self.steps)

    async def until(self, number: int) -> None:
        """Play up to that step, which is not played."""
        while self.at < min(number, len(self.steps)):
            await self.step()

    async def rest(self) -> None:
        """Play to the end."""
        while not self.is_over:
            await self.step()

    async def step(self) -> None:
        """Play one step, and decide how to go on as the library does."""
        step = self.steps[self.at]
        self.at += 1
        if step.function == "swiftjobs_pop":
            await self._pop(step)
        elif step.function == "transaction":
            async with self._peer.client.pipeline(transaction=True) as transaction:
                for command in step.commands:
                    transaction.execute_command(*self._words(command))
                await transaction.execute()
        elif step.function:
            reply = await self._function(step)
            if reply is not None and (given := _first_id(step)):
                self.names.setdefault(given, reply)
        else:
            await self._command(step.commands[0])

    async def _pop(self, step: Step) -> None:
        self._wait_for_what_follows()
        popped = await self._function(step)
        if popped is None:
            self.steps = self.steps[: self.at]  # the worker goes on polling
        else:
            self.names[_first_id(step)] = popped

    def _wait_for_what_follows(self) -> None:
        for step in self.steps[self.at :]:
            for command in step.commands:
                times = [word for word in command if word.startswith("<unix")]
                if times and command[0] in ("HSET", "HMSET", "ZADD"):
                    moment = self._began + timedelta(seconds=float(times[0][5:-1]))
                    self._peer.clock.set(max(self._peer.clock.now(), moment))
                    return

    async def _function(self, step: Step) -> str | None:
        words: list[str] = []
        for command in step.commands:
            plain = self._words(command, keep_ids=step.function in ("swiftjobs_pop", "swiftjobs_rerunQueue"))
            words += [str(len(plain)), *plain]
        now = str(self._peer.clock.now().timestamp())
        reply = await self._peer.client.eval(_FUNCTION, 0, now, *words)
        return None if reply is None else reply.decode()

    async def _command(self, command: Command) -> None:
        reply = await self._peer.client.execute_command(*self._words(command))
        name, key = command[:2]
        if name == "LREM":
            self._note_an_end(command)
        elif name in ("RPOP", "ZPOPMIN") or (name, key) == ("LRANGE", "Q.processing"):
            self._go_through(name, reply)
        elif name == "GET" and key.startswith("Q/") and reply is None:
            self._go_on_as_if_gone(key.removeprefix("Q/"))
        elif name == "HGET":
            following = next(word for word in self.steps[self.at].commands[0] if _ID.search(word))
            self.names[cast("re.Match[str]", _ID.search(following))[0]] = (reply or b"nobody").decode()
            if reply is None:
                self._skip_to("swiftjobs_pop")
        elif name == "SET" and "NX" in command and reply is None:
            self._go_on_without_lock(command)

    def _note_an_end(self, command: Command) -> None:
        following = "" if self.is_over else str(self.steps[self.at])
        if re.match(r"DEL Q/<id\d+> |ZADD Q\.(completed|failed) ", following):
            self.ended.add(self.names[command[3]])

    def _go_through(self, name: str, reply: Any) -> None:
        """A list of ids: the recording goes on with the first one, or, if there is none, without."""
        if reply:
            found = reply[0][0] if isinstance(reply[0], list | tuple) else reply[0]
            later = (match[0] for step in self.steps[self.at :] if (match := _ID.search(str(step))))
            if (placeholder := next(later, None)) is not None:
                self.names.setdefault(placeholder, found.decode())
        elif name != "LRANGE":
            self.steps = self.steps[: self.at]
        elif not self.is_over and self.steps[self.at].commands[0][0] == "HGET":
            self._skip_to("swiftjobs_pop")

    def _go_on_without_lock(self, command: Command) -> None:
        holder = _ID.search(command[1])
        if holder is None:
            self.steps = self.steps[: self.at]  # another scheduler is at work
        elif holder[0] != self._worker():
            self._skip_to("swiftjobs_pop")  # its worker lives

    def _worker(self) -> str:
        """The placeholder of the worker that signs for jobs."""
        signed = (each for step in self.steps for each in step.commands if "workerID" in each and len(each) > 4)
        return next((each[3] for each in signed), "<id2>")

    def _skip_to(self, function: str) -> None:
        while not self.is_over and self.steps[self.at].function != function:
            self.at += 1

    def _go_on_as_if_gone(self, job: str) -> None:
        gone = recording(self.version, GONE)
        read = next(n for n, step in enumerate(gone) if step.commands[0] == ("GET", "Q/<id1>"))
        names = {"<id1>": job, "<id2>": self._worker()}
        rest = (
            Step(tuple(tuple(_ID.sub(lambda found: names[found[0]], word) for word in each) for each in step.commands))
            for step in gone[read + 1 :]
        )
        self.steps = [*self.steps[: self.at], *rest]

    def _words(self, command: Command, *, keep_ids: bool = False) -> list[str]:
        if self.request is not None and command[0] == "SET" and command[1].startswith("Q/"):
            command = (*command[:2], self.request)
        is_lock = command[0] == "EXPIREAT" or "EXAT" in command
        return [self._word(word, is_lock, keep_ids) for word in command]

    def _word(self, word: str, is_lock: bool, keep_ids: bool) -> str:
        def value(found: "re.Match[str]") -> str:
            kind, number = found.groups()
            if kind == "unix":
                return str(int(time.time()) + _LOCK_TIME if is_lock else self._began.timestamp() + float(number))
            if kind == "ref":
                return repr((self._began - _REFERENCE).total_seconds() + float(number))
            if kind == "id" and keep_ids:
                return found[0]
            return self.names.setdefault(found[0], str(new_job_id()) if kind == "id" else uuid4().hex)

        return _QUEUE.sub(self._peer.key, _WORD.sub(value, word))


def _first_id(step: Step) -> str:
    return next((word for command in step.commands for word in command if _ID.fullmatch(word)), "")
