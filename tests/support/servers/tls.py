"""TLS in front of a server that was built without it, as every server of a wheel is."""

import asyncio
import ssl
import subprocess
import threading
from pathlib import Path


class TlsFront:
    """Takes TLS connections on a port of its own and passes what they carry to a plain port."""

    def __init__(self, directory: Path, host: str) -> None:
        self.certificate = directory / "certificate.pem"
        self.port = 0
        self._key = directory / "key.pem"
        self._host = host
        self._plain_port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def start(self, plain_port: int) -> None:
        """Make the certificate and listen, before that port. Does nothing else if it listens already."""
        self._plain_port = plain_port
        if self._thread is not None:
            return
        subject = ["-subj", "/CN=jobsvalkey tests", "-addext", f"subjectAltName=IP:{self._host}"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-days", "2", "-keyout", str(self._key), "-out", str(self.certificate)]
        subprocess.run([*command, *files, *subject], check=True, capture_output=True)
        listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen(listening)), daemon=True)
        self._thread.start()
        listening.wait(10)

    def stop(self) -> None:
        """End every connection and stop listening."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)
            self._thread = None

    async def _listen(self, listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self._key)
        # The port stays the same when the server behind it is restarted.
        server = await asyncio.start_server(self._pass_on, self._host, self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        await self._ended.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            plain_reader, plain_writer = await asyncio.open_connection(self._host, self._plain_port)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.ensure_future(self._pump(source, target))
            for source, target in ((reader, plain_writer), (plain_reader, writer))
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (writer, plain_writer):
                each.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            return
