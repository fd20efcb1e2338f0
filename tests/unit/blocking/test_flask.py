"""Flask under gunicorn, as it is run: with and without the application loaded before the fork."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE
from tests.unit.blocking.support import connections, looking_at, wait_until

REQUESTS = 60
WORKERS = 2


@pytest.fixture
def socket() -> Iterator[Path]:
    # The path of a socket has to be short.
    with TemporaryDirectory(prefix="jv") as folder:
        yield Path(folder) / "s"


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
def test_requests_push(preload: list[str], threads: int, socket: Path, url: str, queue_key: str) -> None:
    command = [sys.executable, "-m", "gunicorn", f"--bind=unix:{socket}", f"--workers={WORKERS}", *preload]
    command += [f"--threads={threads}", "--log-level=error", "tests.unit.blocking.flask_app:app"]
    environment = {"URL": url, "QUEUE_KEY": queue_key, "PATH": ""}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: socket.exists() or server.poll() is not None)
        # It closes its connections in the end: gunicorn waits for those that are kept alive.
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://app") as client:

            def post(number: int) -> dict[str, Any]:
                answer = client.post(f"/push/{number}", timeout=PATIENCE)
                assert answer.status_code == 200, answer.text
                return answer.json()

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(post, range(REQUESTS)))
            assert len({answer["id"] for answer in answers}) == REQUESTS
            assert {answer["threads"] for answer in answers} == {1}
            assert client.get(f"/jobs/{answers[0]['id']}").json() == {"status": "pending"}
            loaded = 1 if preload else WORKERS
            # A worker may still be loading while the other one answers all.
            wait_until(lambda: client.get("/pending").json() == {"pending": REQUESTS + loaded})
        server.terminate()
        said, _ = server.communicate(timeout=PATIENCE)
        assert (server.returncode, said) == (0, b"")
        with looking_at(url) as store:
            wait_until(lambda: connections(store, queue_key) == 0)
    finally:
        server.kill()
        server.communicate()
