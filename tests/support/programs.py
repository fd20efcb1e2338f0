"""Programs that a test writes to files and runs as processes."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.pages import blocks
from tests.support.ports import HOST, free_port
from tests.support.waiting import PATIENCE, until


def write_files(page: Path, folder: Path, replace: Mapping[str, str]) -> None:
    """Write the Python blocks of a page whose first line names a file; a second one of that name is added to it."""
    for block in blocks(page.read_text()):
        first, _, text = block.text.partition("\n")
        if block.language == "python" and first.startswith("# ") and first.endswith(".py"):
            for old, new in replace.items():
                text = text.replace(old, new)
            path = folder / first.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(text)


@asynccontextmanager
async def program(folder: Path, *command: str, **environment: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run Python with these arguments in a folder, to the end of the block."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        async with asyncio.timeout(PATIENCE):
            await started.communicate()


@asynccontextmanager
async def web_server(folder: Path, *command: str, **environment: str) -> AsyncGenerator[httpx.AsyncClient]:
    """Run a web server as `program` does, with `{port}` filled in; a client of it, when it answers."""
    port = free_port()
    words = [word.format(port=port) for word in command]
    async with (
        program(folder, *words, **environment) as server,
        httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=PATIENCE) as http,
    ):

        async def answers() -> bool:
            assert server.returncode is None, "the server has ended"
            try:
                await http.get("/")
            except httpx.TransportError:
                return False
            return True

        await until(answers)
        yield http
