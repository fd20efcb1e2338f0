"""One pool of slots over several queues: who gets a slot, and that none is idle."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from jobsvalkey import JobQueue, JobStatus, MultiQueueProcessor
from jobsvalkey.runtime import slots
from tests.support.processors import options, run_in_background
from tests.support.waiting import until
from tests.support.work import Work, counting
from tests.unit.runtime.several import HOUR, Frozen, Several
from tests.unit.runtime.support import make_driver, make_queue, second_driver


@pytest.mark.parametrize("num_workers", [1, 4, 7])
async def test_a_strict_order_serves_a_queue_only_if_those_before_it_have_nothing(num_workers: int) -> None:
    several = Several(3)
    await several.push(30, 20, 10)
    await several.burst(num_workers=num_workers)
    assert several.started == [0] * 30 + [1] * 20 + [2] * 10
    assert several.most == num_workers


async def test_in_a_strict_order_the_first_slot_is_kept_for_a_queue_that_opens_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slots, "LEAST_PATIENCE", 60.0)  # however busy the machine is
    late = Frozen()
    late.turns = 50
    several = Several(2, drivers=[late, make_driver(poll_time=HOUR)])
    await several.push(2, 3)
    await several.burst(num_workers=1)
    assert several.started == [0] * 2 + [1] * 3


@pytest.mark.parametrize("weights", [None, [1, 1]])
async def test_a_queue_that_does_not_open_keeps_slots_for_a_while_only(weights: list[float] | None) -> None:
    late = Frozen()
    late.turns = None
    several = Several(2, drivers=[late, make_driver(poll_time=HOUR)])
    await several.push(1, 3)
    async with run_in_background(several.processor(weights=weights, num_workers=1)):
        await until(lambda: several.started == [1] * 3)


async def test_in_a_strict_order_the_next_slot_is_for_what_has_come_meanwhile() -> None:
    several = Several(3, holds=True)
    await several.push(0, 0, 20)
    async with run_in_background(several.processor(num_workers=4)):
        await until(lambda: several.started == [2] * 4)
        await several.push(2, 1, 0)
        for number, expected in enumerate([0, 0, 1, 2, 2], start=5):
            several.let_go()
            await until(lambda number=number: len(several.started) == number)
            assert several.started[-1] == expected
        several.let_go(4)
        await until(lambda: len(several.started) == 13)
        several.let_go(4)


@pytest.mark.parametrize(
    ("weights", "shares"), [([1, 1, 1], [100, 100, 100]), ([3, 2, 1], [150, 100, 50]), ([1, 4, 1], [50, 200, 50])]
)
@pytest.mark.parametrize("num_workers", [1, 2, 16])
async def test_by_weight_each_queue_gets_its_share(weights: list[float], shares: list[int], num_workers: int) -> None:
    several = Several(3)
    await several.push(300, 300, 300)
    await several.burst(weights=weights, num_workers=num_workers)
    started = Counter(several.started[:300])
    assert [started[place] for place in range(3)] == pytest.approx(shares, abs=num_workers + 3)
    assert Counter(several.started) == {0: 300, 1: 300, 2: 300}
    assert several.most == num_workers


@pytest.mark.parametrize("num_workers", [1, 8])
async def test_a_queue_that_had_no_jobs_has_no_right_to_make_up_for_it(num_workers: int) -> None:
    several = Several(2, holds=True)
    await several.push(300, 0)
    async with run_in_background(several.processor(weights=[1, 1], num_workers=num_workers)):
        while len(several.started) < 100:
            await until(lambda: several.running == num_workers)
            several.let_go()
            await asyncio.sleep(0)
        await several.push(0, 100)
        before = len(several.started)
        while len(several.started) < before + 100:
            await until(lambda: several.running == num_workers)
            several.let_go()
            await asyncio.sleep(slots.PROBE_EVERY if 1 not in several.started else 0)
        assert Counter(several.started[before : before + 100])[1] == pytest.approx(50, abs=num_workers + 3)
        assert several.most == num_workers
        several.holds = False
        several.let_go(several.running)
        await until(lambda: len(several.started) == 400)


@pytest.mark.parametrize("weights", [None, [1, 5]])
@pytest.mark.parametrize("numbers", [(20, 0), (0, 20)])
async def test_no_slot_is_idle_while_any_queue_has_a_job(weights: list[float] | None, numbers: tuple[int, int]) -> None:
    several = Several(2, holds=True)
    await several.push(*numbers)
    async with run_in_background(several.processor(weights=weights, num_workers=8)):
        for ended in range(12):
            await until(lambda ended=ended: len(several.started) == 8 + ended)
            several.let_go()
        await until(lambda: len(several.started) == 20)
        several.let_go(8)
    assert several.most == 8


@pytest.mark.parametrize("weights", [None, [1, 1]])
@pytest.mark.parametrize("place", [0, 1])
async def test_slots_that_are_kept_for_a_frozen_store_go_to_others(
    weights: list[float] | None, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "LEAST_PATIENCE", 0.01)
    frozen, sound = Frozen(), make_driver(poll_time=HOUR)
    several = Several(2, holds=True, drivers=[sound, frozen] if place else [frozen, sound])
    await several.queues[place].push_many(Work(number) for number in range(4))
    frozen.thawed.clear()
    async with run_in_background(several.processor(weights=weights, num_workers=4)):
        await until(lambda: frozen.asked == [4])
        await several.queues[1 - place].push_many(Work(number) for number in range(4))
        await until(lambda: several.started == [1 - place] * 4)
        # What the frozen one has claimed by now finds no room: it goes back.
        frozen.thawed.set()
        await until(lambda: len(frozen.asked) > 1)
        assert (await several.queues[place].counts())[JobStatus.PENDING] == 4
        several.let_go(4)
        await until(lambda: Counter(several.started) == {0: 4, 1: 4})
        several.let_go(4)
    assert several.most == 4
    assert [(await queue.counts())[JobStatus.COMPLETED] for queue in several.queues] == [4, 4]


async def test_concurrent_exchanges_never_claim_more_than_there_is_room_for() -> None:
    drivers = [Frozen() for _ in range(3)]
    several = Several(3, drivers=drivers)
    await several.push(100, 100, 100)
    held = list[int]()

    async def watch() -> None:
        while True:
            held.append(sum([(await queue.counts())[JobStatus.PROCESSING] for queue in several.queues]))
            for driver in drivers:
                driver.thawed.clear()
            await asyncio.sleep(0)
            for driver in drivers:
                driver.thawed.set()
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await several.burst(weights=[1, 1, 1], num_workers=5)
    watching.cancel()
    assert max(held) == several.most == 5


async def test_a_hint_that_came_too_late_for_a_worker_reaches_one_that_is_free() -> None:
    first = [make_driver(poll_time=HOUR) for _ in range(2)]
    one = Several(2, holds=True, drivers=first)
    other = Several(2, holds=True, drivers=[second_driver(driver) for driver in first])
    async with run_in_background(one.processor(num_workers=1)):
        await until(lambda: all(len(driver.state.waiting) == 1 for driver in first))
        async with run_in_background(other.processor(num_workers=1)):
            await until(lambda: all(len(driver.state.waiting) == 2 for driver in first))
            await one.push(1, 1)  # the first one hears of both, and has room for one
            await until(lambda: one.running == other.running == 1)
            one.let_go()
            other.let_go()


async def test_a_burst_ends_when_no_queue_has_a_job() -> None:
    several = Several(3)
    await several.push(0, 10, 3)
    await several.burst(num_workers=2)
    assert Counter(several.started) == {1: 10, 2: 3}
    await several.burst()
    assert len(several.started) == 13


async def test_a_burst_runs_what_its_handlers_push_to_queues_that_had_nothing() -> None:
    first, second, third = make_queue(), make_queue(), make_queue()
    ran = counting(first)

    async def hand_on(parameters: Work, context: object) -> None:
        target = second if parameters.number == 2 else first
        await target.push(Work(parameters.number - 1))

    second.register_job(Work, hand_on)
    third.register_job(Work, hand_on)
    await third.push(Work(2))
    async with asyncio.timeout(30):
        await MultiQueueProcessor([first, second, third], options(burst=True)).run()
    assert ran == [0]


async def test_a_burst_leaves_a_paused_queue_alone() -> None:
    several = Several(2)
    await several.push(3, 3)
    await several.queues[0].pause_queue()
    await several.burst()
    assert several.started == [1] * 3


async def test_a_pause_stops_one_queue_and_its_end_starts_it_again() -> None:
    several = Several(2, holds=True)
    await several.queues[0].pause_queue()
    await several.push(2, 2)
    async with run_in_background(several.processor(num_workers=4)):
        await until(lambda: several.started == [1, 1])
        await several.queues[0].resume_queue()
        await until(lambda: several.started == [1, 1, 0, 0])
        several.let_go(4)


async def test_it_stops_after_so_many_jobs_of_all() -> None:
    several = Several(2)
    await several.push(50, 50)
    async with asyncio.timeout(30):
        assert await several.processor(weights=[1, 1], num_workers=1, recycle_after=10).run()
    assert Counter(several.started) == {0: 5, 1: 5}


async def test_a_stop_lets_all_handlers_end_and_claims_nothing_more() -> None:
    several = Several(2, holds=True)
    await several.push(2, 3)
    processor = several.processor(num_workers=4)
    running = asyncio.create_task(processor.run())
    await until(lambda: several.running == 4)
    assert [state.running for state in processor.states] == [2, 2]
    assert len({state.worker for state in processor.states}) == 2
    processor.stop()
    several.let_go(4)
    await running
    assert processor.states == ()
    assert [(await queue.counts())[JobStatus.COMPLETED] for queue in several.queues] == [2, 2]
    assert all(not queue.driver.state.workers for queue in several.queues)


async def test_a_second_stop_gives_the_jobs_of_all_back() -> None:
    several = Several(2, holds=True)
    await several.push(2, 2)
    processor = several.processor(num_workers=4)
    running = asyncio.create_task(processor.run())
    await until(lambda: several.running == 4)
    processor.stop()
    processor.stop()
    await running
    assert [(await queue.counts())[JobStatus.PENDING] for queue in several.queues] == [2, 2]


async def test_jobs_that_are_given_up_next_run_one_at_a_time_over_all_queues() -> None:
    several = Several(2)
    await several.push(3, 3)
    for queue in several.queues:
        await queue.driver.open_worker("dead", timedelta(seconds=30))
        await queue.driver.exchange("dead", 1, (), 3)
        queue.driver.clock.advance(timedelta(seconds=30))
        assert await queue.driver.recover() == 3
    await several.burst(weights=[1, 1], max_recoveries=1)
    assert len(several.started) == 6
    assert several.most == 1


async def test_it_recovers_the_jobs_of_dead_workers_of_all_queues() -> None:
    several = Several(2)
    await several.push(2, 2)
    for queue in several.queues:
        await queue.driver.open_worker("dead", timedelta(seconds=20))
        await queue.driver.exchange("dead", 1, (), 2)
        queue.driver.clock.advance(timedelta(seconds=21))
    async with run_in_background(several.processor()):
        await until(lambda: Counter(several.started) == {0: 2, 1: 2})


async def test_an_abort_in_any_queue_is_heard_while_all_slots_are_taken() -> None:
    several = Several(2, holds=True)
    await several.push(1, 0)
    async with run_in_background(several.processor(num_workers=2)):
        await until(lambda: several.started == [0])
        job_id = await several.queues[1].push(Work())
        await until(lambda: several.started == [0, 1])
        await several.queues[1].abort(job_id)
        await until(lambda: several.running == 1)
        several.let_go()
    assert await several.queues[1].status(job_id) is JobStatus.CANCELLED


def test_bad_arguments() -> None:
    queue, other = make_queue(), make_queue()
    with pytest.raises(ValueError, match="one at least"):
        MultiQueueProcessor([])
    with pytest.raises(ValueError, match="given twice"):
        MultiQueueProcessor([queue, JobQueue(queue.driver)])
    for weights in ([1], [1, 2, 3], [1, 0], [1, -1], [1, float("inf")], [1, float("nan")]):
        with pytest.raises(ValueError, match="weight"):
            MultiQueueProcessor([queue, other], weights=weights)
