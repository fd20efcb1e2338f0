"""The guide's programs, each with a server and a worker as processes of their own."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import program, web_server, write_files
from tests.support.servers import Server
from tests.support.waiting import until

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "web-frameworks.md"
SERVERS = {
    "with_fastapi": ["uvicorn", "--port", "{port}", "with_fastapi:app"],
    "with_litestar": ["uvicorn", "--port", "{port}", "with_litestar:app"],
    "with_flask": ["gunicorn", "--workers", "2", "--threads", "2", "--bind", "127.0.0.1:{port}", "with_flask:app"],
}


@pytest.mark.parametrize("name", SERVERS)
async def test_an_application_pushes_and_looks(
    name: str, tmp_path: Path, default_server: Server, queue_key: str, valkey_client: object
) -> None:
    write_files(GUIDE, tmp_path, {"valkey://localhost:6379": default_server.url, '"shop"': f'"{queue_key}"'})
    async with (
        web_server(tmp_path, "-m", *SERVERS[name]) as http,
        program(tmp_path, "-m", "jobsvalkey.cli", "worker", "jobs:service"),
    ):
        pushed = [await http.post("/greetings", params={"name": f"Ada {number}"}) for number in range(5)]
        assert [answer.status_code for answer in pushed] == [202] * 5
        found = list[dict[str, Any]]()
        for answer in pushed:
            job = f"/jobs/{answer.json()['job']}"

            async def has_completed(job: str = job) -> bool:
                return (await http.get(job)).json()["status"] == "completed"

            await until(has_completed)
            found.append((await http.get(job)).json())
        assert [each["result"] for each in found] == [f'"Hello Ada {number}"' for number in range(5)]
        assert (await http.get("/jobs/nonsense")).status_code == 404
        assert (await http.get("/jobs/01890a5d-ac96-774b-bcce-b302099a8057")).status_code == 404
