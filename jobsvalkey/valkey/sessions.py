"""The sessions of a driver: one for each event loop that uses it, for as long as the loop lasts."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final

from jobsvalkey.valkey.session import Session

# Sessions of a parent process. Their connections are the parent's: a child must neither use nor close them.
_inherited: Final[list["_Place"]] = []


# Counts the forks that lead to this process; who asks the system for its number waits for the answer, at every push.
_forks = 0


def _note_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_note_fork)


class _Place:
    """A session, and the event loop and process that it belongs to."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.forks = _forks
        self.thread = threading.current_thread()
        self.guard: AsyncGenerator[None] | None = None


class Sessions:
    """Makes a session when an event loop first asks for one, and closes it when the loop ends.

    `asyncio.run` and its like end the asynchronous generators that are left in the loop, and one of these is ours. The
    sessions of a loop that was closed without that, or left behind by its thread, are freed when the next one is made.
    """

    def __init__(self, make: Callable[[], Session]) -> None:
        self._make = make
        self._places: dict[asyncio.AbstractEventLoop, _Place] = {}

    def current(self) -> Session:
        """The session of the running event loop."""
        loop = asyncio.get_running_loop()
        place = self._places.get(loop)
        if place is None or place.forks != _forks:
            place = self._open(loop)
        return place.session

    async def aclose(self) -> None:
        """Close the session of the running event loop, if it has one."""
        place = self._places.pop(asyncio.get_running_loop(), None)
        if place is None:
            return
        if place.forks != _forks:
            _inherited.append(place)
            return
        await place.session.aclose()
        if place.guard is not None:
            with suppress(RuntimeError):  # the loop is ending it, too
                await place.guard.aclose()

    def _open(self, loop: asyncio.AbstractEventLoop) -> _Place:
        self._free()
        place = self._places[loop] = _Place(self._make())
        place.guard = self._until_the_loop_ends(loop, place)
        with suppress(StopIteration):  # it yields at once: from now on the loop knows of it
            place.guard.asend(None).send(None)
        return place

    async def _until_the_loop_ends(self, loop: asyncio.AbstractEventLoop, place: _Place) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            if self._places.get(loop) is place:
                del self._places[loop]
            await place.session.aclose()

    def _free(self) -> None:
        for loop, place in list(self._places.items()):
            is_inherited = place.forks != _forks
            has_ended = loop.is_closed() or not (loop.is_running() or place.thread.is_alive())
            if not (is_inherited or has_ended) or self._places.pop(loop, None) is None:
                continue
            if is_inherited:
                _inherited.append(place)
            else:
                place.session.close_without_loop()
