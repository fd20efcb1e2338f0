"""The dashboard as a process of its own, and the browser to look at it, if the machine has one."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
"""Where Chromium is; `None` if it is not installed."""


@asynccontextmanager
async def served(*arguments: str, **environment: str) -> AsyncGenerator[str]:
    """Serve a dashboard, and give its address; it is stopped by a signal, and ends well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobsvalkey.cli", "dashboard", "--port", "0", *arguments),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("the dashboard is at http://127.0.0.1:")
        yield line.split()[-1]
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() in (0, -15)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
