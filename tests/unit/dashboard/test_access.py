"""Who may see the dashboard, who may act, and what a browser is told."""

import asyncio
from typing import Any

import httpx
import pytest

from jobsvalkey import JobQueue, JobStatus, ValkeyJobQueue
from jobsvalkey.dashboard import Authentication, Role, User, dashboard
from jobsvalkey.dashboard.access import TOKEN_COOKIE
from tests.unit.dashboard.conftest import TEXT, Open
from tests.unit.dashboard.forms import post

Queue = JobQueue[ValkeyJobQueue]
USERS = Authentication(operators={"ada": "secret"}, viewers={"bob": "sésame"})


async def test_without_users_it_is_for_this_machine(browser: Open) -> None:
    async with browser() as http:
        assert (await http.get("/")).status_code == 200
    async with browser(client=("203.0.113.7", 1)) as http:
        answer = await http.get("/")
        assert answer.status_code == 403
        assert "Authentication" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=1.2.3.4"}, {"x-real-ip": "::1"}, {"host": "evil.example"}],
)
async def test_without_users_no_proxy_and_no_foreign_name_leads_in(browser: Open, headers: dict[str, str]) -> None:
    async with browser() as http:
        assert (await http.get("/", headers=headers)).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:99"])
async def test_without_users_names_of_this_machine_lead_in(browser: Open, host: str) -> None:
    async with browser() as http:
        assert (await http.get("/", headers={"host": host})).status_code == 200


async def test_with_users_a_browser_asks_for_a_password(browser: Open) -> None:
    async with browser(USERS) as http:
        answer = await http.get("/")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("login", "code"),
    [
        (("ada", "secret"), 200),
        (("bob", "sésame"), 200),
        (("bob", "secret"), 401),
        (("ada", ""), 401),
        (("nobody", "secret"), 401),
        (("", ""), 401),
    ],
)
async def test_the_right_name_and_password_lead_in(browser: Open, login: tuple[str, str], code: int) -> None:
    encoded = httpx.BasicAuth(login[0].encode(), login[1].encode())
    async with browser(USERS, client=("203.0.113.7", 1), login=encoded) as http:
        assert (await http.get("/")).status_code == code


@pytest.mark.parametrize("header", ["Bearer x", "Basic", "Basic ###", "Basic /w==", "basic YWRh"])
async def test_odd_credentials_lead_nowhere(browser: Open, header: str) -> None:
    async with browser(USERS) as http:
        assert (await http.get("/", headers={"authorization": header})).status_code == 401


async def test_an_application_may_know_its_users_itself(browser: Open) -> None:
    async def check(connection: Any) -> User | None:
        name = connection.headers.get("x-user")
        return User(name, Role.VIEWER) if name else None

    async with browser(Authentication(check=check)) as http:
        assert (await http.get("/")).status_code == 403
        answer = await http.get("/", headers={"x-user": "Grace"})
        assert answer.status_code == 200
        assert "Grace" in answer.text


@pytest.mark.parametrize(
    "users",
    [
        {},
        {"operators": {}},
        {"operators": {"ada": ""}},
        {"operators": {"": "x"}},
        {"operators": {"a:b": "x"}},
        {"operators": {"ada": "x"}, "viewers": {"ada": "y"}},
        {"operators": {"ada": "x"}, "check": test_an_application_may_know_its_users_itself},
    ],
)
def test_users_that_make_no_sense_are_refused(users: Any) -> None:
    with pytest.raises(ValueError):
        Authentication(**users)


def test_passwords_are_not_shown() -> None:
    assert repr(USERS) == "Authentication(bob: viewer, ada: operator)"


async def test_a_viewer_looks_and_does_not_act(browser: Open, queue: Queue, queue_key: str) -> None:
    job_id = await queue.push(TEXT, "x")
    async with browser(USERS, login=httpx.BasicAuth("bob", "sésame".encode())) as http:
        page = await http.get(f"/queue/{queue_key}/jobs/pending")
        assert page.status_code == 200
        assert "Cancel" not in page.text
        for path in ("confirm", "act", "act-on-matching", "pause", "resume"):
            fields = {"status": "pending", "action": "cancel", "id": str(job_id)}
            assert (await post(http, f"/queue/{queue_key}/{path}", fields)).status_code == 403
    assert await queue.status(job_id) is JobStatus.PENDING
    assert not await queue.is_queue_paused()


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"x_jobsvalkey_token": "guessed"},
        {"cookie": f"{TOKEN_COOKIE}="},
    ],
)
async def test_a_form_of_somebody_elses_page_is_refused(
    browser: Open, queue: Queue, queue_key: str, headers: dict[str, str]
) -> None:
    async with browser() as http:
        assert (await post(http, f"/queue/{queue_key}/pause", **headers)).status_code == 403
        assert not await queue.is_queue_paused()
        assert (await post(http, f"/queue/{queue_key}/pause")).status_code == 303
    assert await queue.is_queue_paused()


async def test_a_form_without_a_token_is_refused(browser: Open, queue: Queue, queue_key: str) -> None:
    async with browser() as http:
        assert (await http.post(f"/queue/{queue_key}/pause")).status_code == 403
        await http.get("/")
        assert (await http.post(f"/queue/{queue_key}/pause")).status_code == 403
    assert not await queue.is_queue_paused()


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/nothing", "/queue/nothing/jobs/failed"])
async def test_every_answer_says_what_a_browser_may_load(browser: Open, path: str) -> None:
    async with browser() as http:
        headers = (await http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


async def test_the_token_stays_with_the_browser(browser: Open) -> None:
    async with browser() as http:
        first = await http.get("/")
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert http.cookies[TOKEN_COOKIE] in first.text
        assert "set-cookie" not in (await http.get("/")).headers
    answers = await asyncio.gather(*(browser_token(browser) for _ in range(3)))
    assert len(set(answers)) == 3


async def browser_token(browser: Open) -> str:
    async with browser() as http:
        await http.get("/")
        return http.cookies[TOKEN_COOKIE]


async def test_mounted_in_another_application_it_stays_below_its_path(queue: Queue, queue_key: str) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    outer: Any = Starlette(routes=[Mount("/admin/jobs", dashboard(queue))])
    transport = httpx.ASGITransport(outer, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        page = await http.get("/admin/jobs/")
        assert f'href="/admin/jobs/queue/{queue_key}/jobs/failed"' in page.text
        assert "Path=/admin/jobs" in page.headers["set-cookie"]
        assert (await http.get("/admin/jobs/static/style.css")).status_code == 200
