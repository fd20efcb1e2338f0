"""The page of the lanes: who waits, who runs, and what each may use."""

import logging
import re
from datetime import timedelta

import pytest

from jobsvalkey import JobOptions, JobQueue, LaneLimit, ValkeyJobQueue
from jobsvalkey.dashboard import Authentication
from tests.unit.dashboard.conftest import TEXT, Open
from tests.unit.dashboard.forms import post

Queue = JobQueue[ValkeyJobQueue]
TAG = re.compile("<[^>]*>")
NONE = "\N{EN DASH}"
HOSTILE = "<img src=x onerror=alert(1)>"


async def put(queue: Queue, lane: str, number: int) -> None:
    for _ in range(number):
        await queue.push(TEXT, "x", options=JobOptions(lane=lane))


def words_of(page: str) -> str:
    return " ".join(page.split())


async def test_lanes_show_who_waits_and_who_runs(browser: Open, queue: Queue, queue_key: str) -> None:
    await put(queue, "ada", 3)
    await put(queue, HOSTILE, 2)
    await queue.set_lane_limit("a*", LaneLimit(concurrency=1))
    await queue.driver.open_worker("worker", timedelta(minutes=1))
    await queue.driver.exchange("worker", 1, limit=2)
    async with browser() as http:
        page = words_of((await http.get(f"/queue/{queue_key}/lanes")).text)
        assert f'href="/queue/{queue_key}/lanes"' in (await http.get("/")).text
        path = page.partition('<th scope="row"><a href="')[2].partition('"')[0]
        assert "jobs looked at" in (await http.get(path)).text
    rows = [TAG.sub(" ", row).split() for row in page.partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>")]
    assert ["&lt;img", "src=x", "onerror=alert(1)&gt;", "1", NONE, NONE] in rows
    assert ["ada", "2", "1", "1", "at", "a", "time", "full"] in rows
    assert "<img" not in page
    assert "<bdi>a*</bdi>" in page


async def test_lanes_come_in_pages(browser: Open, queue: Queue, queue_key: str) -> None:
    names = [f"lane:{number:03}" for number in range(120)]
    for name in names:
        await put(queue, name, 1)
    seen, path, pages = list[str](), f"/queue/{queue_key}/lanes", 0
    async with browser() as http:
        while path:
            page = (await http.get(path)).text
            seen += [name for name in names if f"<bdi>{name}</bdi>" in page]
            following = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
            path, pages = following and f"/queue/{queue_key}/lanes{following}", pages + 1
        assert (await http.get(f"/queue/{queue_key}/lanes?cursor=nonsense")).status_code in (200, 400)
    assert (sorted(seen), pages >= 3) == (names, True)


async def test_operators_change_limits(
    browser: Open, queue: Queue, queue_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobsvalkey.dashboard")
    path = f"/queue/{queue_key}/lane-limit"
    async with browser() as http:
        for number in (3, 5):
            done = await post(http, path, {"pattern": "customer:*", "concurrency": str(number)})
            assert (done.status_code, done.headers["location"]) == (303, f"/queue/{queue_key}/lanes")
            assert await queue.lane_limits() == {"customer:*": LaneLimit(concurrency=number)}
            assert f"local: lanes 'customer:*' of queue {queue_key} are limited to {number} at a time" in caplog.text
        await post(http, path, {"pattern": "ada", "number": "100", "seconds": "60"})
        await post(http, path, {"pattern": "bob", "concurrency": "2", "number": "1000", "seconds": "0.5"})
        page = (await http.get(f"/queue/{queue_key}/lanes")).text
        assert await queue.lane_limits() == {
            "ada": LaneLimit(rate=(100, timedelta(minutes=1))),
            "bob": LaneLimit(2, (1000, timedelta(seconds=0.5))),
            "customer:*": LaneLimit(5),
        }
        assert 'value="0.5" aria-label="Seconds of the rate, of bob"' in page
        assert "limited to 2 at a time, 1,000 in 500 ms" in caplog.text
        for pattern in ("customer:*", "ada", "bob"):
            await post(http, path, {"pattern": pattern, "remove": "1"})
    assert await queue.lane_limits() == {}
    assert "are not limited any more" in caplog.text


@pytest.mark.parametrize(
    ("pattern", "number", "text"),
    [
        ("", "3", "1 to 256 bytes"),
        ("a*b", "3", "256 bytes"),
        ("x" * 300, "3", "256 bytes"),
        ("ada", "0", "a whole number of jobs"),
        ("ada", "-1", "a whole number of jobs"),
        ("ada", "1e3", "a whole number of jobs"),
        ("ada", "\N{FULLWIDTH DIGIT THREE}", "a whole number of jobs"),
        ("ada", "9" * 100, "a whole number of jobs"),
    ],
)
async def test_limits_that_make_no_sense_do_nothing(
    browser: Open, queue: Queue, queue_key: str, pattern: str, number: str, text: str
) -> None:
    async with browser() as http:
        answer = await post(http, f"/queue/{queue_key}/lane-limit", {"pattern": pattern, "concurrency": number})
    assert (answer.status_code, text in answer.text) == (400, True)
    assert await queue.lane_limits() == {}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "a concurrency or a rate"),
        ({"number": "3"}, "give both, or neither"),
        ({"seconds": "3"}, "give both, or neither"),
        ({"number": "3", "seconds": "0"}, "a time above zero"),
        ({"number": "3", "seconds": "99999"}, "up to a day"),
        ({"number": "3", "seconds": "nan"}, "in seconds"),
        ({"number": "3", "seconds": "1e3"}, "in seconds"),
        ({"number": "10001", "seconds": "1"}, "1 to 10,000 jobs"),
    ],
)
async def test_rates_that_make_no_sense_do_nothing(
    browser: Open, queue: Queue, queue_key: str, fields: dict[str, str], text: str
) -> None:
    async with browser() as http:
        answer = await post(http, f"/queue/{queue_key}/lane-limit", {"pattern": "ada", **fields})
    assert (answer.status_code, text in answer.text) == (400, True)
    assert await queue.lane_limits() == {}


async def test_a_lane_of_a_rate_alone_is_shown(browser: Open, queue: Queue, queue_key: str) -> None:
    await put(queue, "ada", 1)
    await queue.set_lane_limit("ada", LaneLimit(rate=(100, timedelta(minutes=1))))
    async with browser(Authentication(viewers={"bob": "secret"}), login=("bob", "secret")) as http:
        page = (await http.get(f"/queue/{queue_key}/lanes")).text
    assert page.count("100 in 1 min") == 2


async def test_a_hundred_limits_are_the_most(browser: Open, queue: Queue, queue_key: str) -> None:
    for number in range(100):
        await queue.set_lane_limit(f"lane:{number}", LaneLimit(concurrency=1))
    async with browser() as http:
        answer = await post(http, f"/queue/{queue_key}/lane-limit", {"pattern": "one more", "concurrency": "1"})
    assert (answer.status_code, "100 patterns have a limit" in answer.text) == (400, True)


async def test_viewers_change_nothing(browser: Open, queue: Queue, queue_key: str) -> None:
    await queue.set_lane_limit("ada", LaneLimit(concurrency=2))
    async with browser(Authentication(viewers={"bob": "secret"}), login=("bob", "secret")) as http:
        page = await http.get(f"/queue/{queue_key}/lanes")
        assert ("<bdi>ada</bdi>" in page.text, "<button" in page.text) == (True, False)
        answer = await post(http, f"/queue/{queue_key}/lane-limit", {"pattern": "ada", "concurrency": "9"})
        assert answer.status_code == 403
    assert await queue.lane_limits() == {"ada": LaneLimit(concurrency=2)}


async def test_rates_are_shown_and_stay(browser: Open, queue: Queue, queue_key: str) -> None:
    await put(queue, "ada", 1)
    minute = timedelta(minutes=1)
    await queue.set_lane_limit("*", LaneLimit(rate=(100, minute)))
    async with browser() as http:
        page = (await http.get(f"/queue/{queue_key}/lanes")).text
        assert "100 in 1 min" in page
        # What the form of the page sends, if somebody fills in the number of jobs at a time.
        shown = dict(re.findall(r'name="(number|seconds)"[^>]*value="([^"]*)"', page))
        assert shown == {"number": "100", "seconds": "60"}
        await post(http, f"/queue/{queue_key}/lane-limit", {"pattern": "*", "concurrency": "7", **shown})
    assert await queue.lane_limits() == {"*": LaneLimit(concurrency=7, rate=(100, minute))}
    async with browser(Authentication(viewers={"bob": "secret"}), login=("bob", "secret")) as http:
        page = (await http.get(f"/queue/{queue_key}/lanes")).text
        assert page.count("7 at a time, 100 in 1 min") == 2
