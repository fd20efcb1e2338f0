"""A project made by `startproject` with what the guide shows, its server and its worker as processes of their own."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import program, web_server, write_files
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, until

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "django.md"
URLS = """
from django.urls import path
from shop import views
urlpatterns = [
    path("sum", views.sum_up), path("hello", views.say_hello), path("up", views.sign_up),
    path("look/<result_id>", views.look),
]
"""


@pytest.fixture
def project(tmp_path: Path, default_server: Server, queue_key: str, valkey_client: object) -> Path:
    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", tmp_path], check=True)
    write_files(GUIDE, tmp_path, {"valkey://localhost:6379": default_server.url, '"shop"': f'"{queue_key}"'})
    (tmp_path / "shop" / "urls.py").write_text(URLS)
    return tmp_path


SETTINGS = {"DJANGO_SETTINGS_MODULE": "shop.settings"}
WEB_SERVERS = {
    "wsgi": ["gunicorn", "--workers", "2", "--preload", "--bind", "127.0.0.1:{port}", "shop.wsgi"],
    "asgi": ["uvicorn", "--port", "{port}", "shop.asgi:application"],
}


@pytest.mark.parametrize("kind", WEB_SERVERS)
async def test_views_enqueue_and_a_worker_runs(project: Path, kind: str) -> None:
    async with (
        web_server(project, "-m", *WEB_SERVERS[kind], **SETTINGS) as http,
        program(project, "manage.py", "jobsvalkey_worker") as worker,
    ):
        assert (await http.get("/look/nothing")).status_code == 404

        async def get(path: str, **params: Any) -> dict[str, Any]:
            answer = await http.get(path, params=params)
            assert answer.is_success, answer.text
            return answer.json()

        async def value_of(result_id: str) -> Any:
            async def has_ended() -> bool:
                return (await get(f"/look/{result_id}"))["status"] in {"SUCCESSFUL", "FAILED"}

            await until(has_ended)
            return (await get(f"/look/{result_id}"))["value"]

        blocking, asynchronous = await get("/sum", a=40, b=2), await get("/hello", name="Ada")
        assert (blocking["id"].partition(":")[0], asynchronous["id"].partition(":")[0]) == ("default", "mail")
        assert await value_of(blocking["id"]) == 42
        assert await value_of(asynchronous["id"]) == "Hello Ada (attempt 1)"
        assert await get("/up", name="Grace") == {}
        assert worker.stdout is not None
        said = (await worker.stdout.readline()).decode()
        assert re.fullmatch(r"runs tasks of 'default', 'mail' of .*, 16 at a time\n", said)
        worker.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await worker.wait() == 0


async def test_a_burst_ends_and_checks_pass(project: Path) -> None:
    async with program(project, "manage.py", "check", "--fail-level", "WARNING") as check:
        assert await check.wait() == 0
    async with program(project, "manage.py", "jobsvalkey_worker", "--burst", "--queue", "mail") as worker:
        async with asyncio.timeout(PATIENCE):
            said, _ = await worker.communicate()
        assert (worker.returncode, said[:22]) == (0, b"runs tasks of 'mail' o")
