"""A connection to a server that answers what the test says."""

import asyncio
import errno
import logging
import struct
from asyncio import StreamReader, StreamWriter
from asyncio.trsock import TransportSocket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET
from typing import NoReturn

import pytest
from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import InvalidResponse, ResponseError

from jobsvalkey.valkey.connection import LONG, Connection, connect
from jobsvalkey.valkey.routes import route_to
from tests.support.resp import read_request
from tests.support.waiting import PATIENCE, until

SHORT = 0.2
"""Seconds without a byte."""


class Peer:
    """The server's side: it lets the client in, and then does what the test says."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def heard(self) -> tuple[bytes, ...]:
        """The next command."""
        return (await read_request(self.reader))[1]

    async def says(self, *pieces: bytes, every: float = 0) -> None:
        """Send these, one after the other."""
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(every)


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[Connection, Peer]]:
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 8192)
        for _ in range(2):  # the client tells its name and version
            await read_request(reader)
            writer.write(b"+OK\r\n")
        peers.put_nowait(Peer(reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=4096)
    async with server, asyncio.timeout(PATIENCE):
        host, port = server.sockets[0].getsockname()
        connection = await connect(route_to(Valkey(host=host, port=port), "q"))
        assert isinstance(connection, Connection)
        peer = await peers.get()
        try:
            yield connection, peer
        finally:
            connection.close()
            peer.writer.transport.abort()


async def test_commands_are_answered_one_after_the_other() -> None:
    async with connected() as (connection, peer):
        for number in range(3):
            asked = connection.ask(("ECHO", number), 5)
            assert await peer.heard() == (b"ECHO", b"%d" % number)
            await peer.says(b":%d\r\n" % number)
            assert await asked == number


async def test_an_error_is_an_answer() -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), 5)
        await peer.says(b"-WRONGTYPE no\r\n")
        with pytest.raises(ResponseError, match="WRONGTYPE no"):
            await asked
        assert connection.is_open


async def test_an_answer_that_comes_in_pieces_may_take_its_time() -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), SHORT)
        began = connection.moving_until
        await peer.says(b"*2", b"\r\n", b"$3\r\n", b"ab", b"c\r\n", b"$1\r\n", b"d", b"\r\n", every=SHORT / 5)
        assert await asked == [b"abc", b"d"]
        assert connection.moving_until > began


@pytest.mark.parametrize("pieces", [[], [b"$3\r\nab"]], ids=["no answer", "half an answer"])
async def test_silence_is_no_answer(pieces: list[bytes]) -> None:
    async with connected() as (connection, peer):
        now = asyncio.get_running_loop().time
        asked = connection.ask(("GET", "key"), SHORT)
        await peer.says(*pieces)
        began = now()
        with pytest.raises(TimeoutError):
            await asked
        assert now() - began >= SHORT / 2


async def test_the_time_of_each_command_is_its_own() -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("BLPOP", "key", 60), 60)
        await peer.says(b"*-1\r\n")
        assert await asked is None
        with pytest.raises(TimeoutError):
            await connection.ask(("GET", "key"), SHORT)


async def test_an_alarm_of_a_command_that_was_answered_is_none_of_the_next() -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), SHORT)
        await peer.says(b"$1\r\na\r\n")
        assert await asked == b"a"
        asked = connection.ask(("GET", "key"), 60)
        await asyncio.sleep(2 * SHORT)
        await peer.says(b"$1\r\nb\r\n")
        assert await asked == b"b"


@pytest.mark.parametrize("pieces", [[], [b"$3\r\nab"]], ids=["no answer", "half an answer"])
@pytest.mark.parametrize("by", ["its end", "a reset", "our end"])
async def test_an_end_is_no_answer(pieces: list[bytes], by: str) -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), 60)
        await peer.heard()
        await peer.says(*pieces, every=0.01)
        if by == "our end":
            connection.close()
        else:
            if by == "a reset":
                linger = struct.pack("ii", 1, 0)
                peer.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
            peer.writer.close()
        with pytest.raises((ConnectionLost, OSError)):
            await asked
        assert not connection.is_open
        with pytest.raises(ConnectionLost):
            await connection.ask(("GET", "key"), 60)


async def test_a_server_that_ends_an_idle_connection() -> None:
    async with connected() as (connection, peer):
        peer.writer.close()
        await until(lambda: not connection.is_open)


@pytest.mark.parametrize("asks", [False, True], ids=["nobody has asked", "with an answer"])
async def test_an_answer_to_no_question_answers_no_other(asks: bool) -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), 60) if asks else None
        await peer.says(b"$1\r\na\r\n$1\r\nb\r\n")
        if asked is not None:
            assert await asked == b"a"
        await until(lambda: not connection.is_open)


async def test_what_is_no_answer_at_all() -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), 60)
        await peer.says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(InvalidResponse):
            await asked


@pytest.mark.parametrize("answer", [b"$1\r\na\r\n", b"-ERR no\r\n"], ids=["reply", "error"])
async def test_an_answer_to_somebody_who_was_cancelled(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as (connection, peer):
        asked = connection.ask(("GET", "key"), 60)
        asked.cancel()
        with caplog.at_level(logging.WARNING):
            await peer.says(answer, every=0.01)
            connection.close()
            await asyncio.sleep(0)
    assert caplog.text == ""


async def test_a_long_command_that_nobody_takes() -> None:
    async with connected() as (connection, _):
        with pytest.raises(TimeoutError):
            await connection.ask(("SET", "key", bytes(400 * LONG)), 4 * SHORT)


async def test_one_that_cannot_be_handed_over_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(TransportSocket, "dup", refuse)
    async with connected() as (connection, peer):
        with pytest.raises(OSError, match="Too many open files"):
            connection.detach()
        assert not connection.is_open
        assert await peer.reader.read() == b""
