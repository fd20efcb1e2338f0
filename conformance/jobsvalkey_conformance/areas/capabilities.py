"""The capabilities that a driver claims to support, held against its methods and what they do."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace as replace_job

from jobsvalkey.contract import (
    CAPABILITY_PROTOCOLS,
    AbortOutcome,
    Capability,
    Claim,
    DriverConfiguration,
    Durability,
    Exchanged,
    Finish,
    JobID,
    JobStatus,
    NewJob,
    NotDurable,
    Pushed,
    Release,
    Renewed,
    Report,
    SettleOutcome,
    StoreOutcome,
    new_job_id,
)
from jobsvalkey_conformance.case import Suite, conformance_test
from jobsvalkey_conformance.context import PATIENCE, ConformanceWarning, SuiteContext
from jobsvalkey_conformance.harness import AnyDriver, Hook
from jobsvalkey_conformance.hints import woken


async def _cancels(driver: AnyDriver, job_id: JobID) -> bool:
    return await driver.cancel(job_id)


async def _aborts(driver: AnyDriver, job_id: JobID) -> bool:
    return await driver.abort(job_id) is AbortOutcome.CANCELLED


async def _resumes(driver: AnyDriver, job_id: JobID) -> bool:
    return await driver.pause(job_id) and await driver.resume(job_id)


async def _pauses(driver: AnyDriver, _: JobID) -> bool:
    await driver.pause_queue()
    is_paused = await driver.is_queue_paused()
    await driver.resume_queue()
    return is_paused and not await driver.is_queue_paused()


async def _keeps_metadata(driver: AnyDriver, _: JobID) -> bool:
    await driver.set_metadata("key", b"value")
    return await driver.get_metadata("key") == b"value" and await driver.acquire_lock(
        "lock", b"holder", timedelta(hours=1)
    )


async def _schedules(driver: AnyDriver, _: JobID) -> bool:
    return (await driver.push_if(SuiteContext.job(), "key", None, b"1")).outcome is StoreOutcome.STORED


async def _shows(driver: AnyDriver, job_id: JobID) -> bool:
    return await driver.status(job_id) is JobStatus.PENDING and await driver.validate() == []


async def _cleans(driver: AnyDriver, job_id: JobID) -> bool:
    return await driver.remove(job_id) and not await driver.rerun(job_id)


async def _knows_durability(driver: AnyDriver, _: JobID) -> bool:
    return await driver.is_durable() in (True, False)


async def _tells_ends(driver: AnyDriver, job_id: JobID) -> bool:
    job, absent = await driver.ended([job_id, new_job_id()], timedelta(0))
    return job is not None and job.ended_at is None and absent is None


async def _takes_reports(driver: AnyDriver, job_id: JobID) -> bool:
    await driver.open_worker("reporter", timedelta(hours=1))
    (claim,) = (await driver.exchange("reporter", 1, (), 1)).claims
    reports = [Report(job_id, claim.token, state=b"1")]
    reported = (await driver.exchange("reporter", 2, [Release(job_id, claim.token)], reports=reports)).reported
    (claim,) = (await driver.exchange("reporter", 3, (), 1)).claims
    return (reported, claim.state) == ([SettleOutcome.SETTLED], b"1")


async def _expires(driver: AnyDriver, job_id: JobID) -> bool:
    (pushed,) = await driver.push([NewJob(new_job_id(), b"{}", expires=timedelta(0))])
    await driver.open_worker("worker", timedelta(hours=1))
    return pushed.outcome is StoreOutcome.STORED and [
        claim.job_id for claim in (await driver.exchange("worker", 1, (), 2)).claims
    ] == [job_id]


async def _holds(driver: AnyDriver, job_id: JobID) -> bool:
    batch = new_job_id()
    await driver.push([NewJob(batch, b"{}", batch=batch)])
    await driver.open_worker("worker", timedelta(hours=1))
    before = [claim.job_id for claim in (await driver.exchange("worker", 1, (), 2)).claims]
    is_closed = await driver.close_batch(batch)
    after = [claim.job_id for claim in (await driver.exchange("worker", 2, (), 2)).claims]
    return (before, is_closed, after) == ([job_id], True, [batch])


async def _counts(driver: AnyDriver, _: JobID) -> bool:
    return await driver.activity() == []


PROBES: dict[Capability, Callable[[AnyDriver, JobID], Awaitable[bool]]] = {
    Capability.CANCEL: _cancels,
    Capability.ABORT: _aborts,
    Capability.RESUME: _resumes,
    Capability.PAUSE_QUEUE: _pauses,
    Capability.METADATA: _keeps_metadata,
    Capability.SCHEDULING: _schedules,
    Capability.INSPECTION: _shows,
    Capability.CLEANUP: _cleans,
    Capability.DURABILITY: _knows_durability,
    Capability.RESULTS: _tells_ends,
    Capability.REPORTS: _takes_reports,
    Capability.EXPIRY: _expires,
    Capability.ACTIVITY: _counts,
    Capability.FLOWS: _holds,
}
"""The least that shows that a capability works."""


def _types(answer: object) -> set[type[object]]:
    """The types of what a list has; nothing of what is no list."""
    return {type(each) for each in cast("list[object]", answer)} if isinstance(answer, list) else set()


class CapabilityTests(Suite):
    """`capabilities` is held against the protocols and the behaviour."""

    @conformance_test()
    async def test_capability_the_base_is_stated(self, kit: SuiteContext) -> None:
        """A driver lists what it supports in `capabilities: frozenset[Capability]`; QUEUE is the base."""
        driver = await kit.driver()
        assert isinstance(driver.capabilities, frozenset), "`capabilities` is a frozenset"
        assert all(isinstance(capability, Capability) for capability in driver.capabilities)
        assert Capability.QUEUE in driver.capabilities
        unknown = driver.capabilities - CAPABILITY_PROTOCOLS.keys()
        assert not unknown, f"there is no protocol of {sorted(unknown)} yet"
        assert (await kit.driver()).capabilities == driver.capabilities

    @conformance_test()
    async def test_capability_answers_are_of_their_types(self, kit: SuiteContext) -> None:
        """The methods answer with the types of `jobsvalkey.contract`; all times are aware datetimes."""
        driver = await kit.driver()
        assert isinstance(driver.configuration, DriverConfiguration), "a driver has its `configuration`"
        job = kit.job()
        pushed = await driver.push([job])
        assert _types(pushed) == {Pushed}, f"`push` answers with a list, and a `Pushed` for each job: not {pushed!r}"
        assert type(pushed[0].job_id) is JobID, f"`Pushed.job_id` is a `JobID`, not {pushed[0].job_id!r}"
        await driver.open_worker("worker", timedelta(hours=1))
        answer: object = await driver.exchange("worker", 1, (), 1)
        assert isinstance(answer, Exchanged), f"`exchange` answers with an `Exchanged`, not {answer!r}"
        assert _types(answer.claims) == {Claim}, f"`Exchanged.claims` is a list of `Claim`: not {answer.claims!r}"
        (claim,) = answer.claims
        for name, kind in {"job_id": JobID, "token": bytes, "request": bytes, "recoveries": int}.items():
            value = getattr(claim, name)
            assert type(value) is kind, f"`Claim.{name}` is of type {kind.__name__}, not {value!r}"
        for name in ("due", "stored_at"):
            time = getattr(claim, name)
            assert isinstance(time, datetime), f"`Claim.{name}` is a datetime, not {time!r}"
            assert time.tzinfo, f"`Claim.{name}` is an aware datetime: give {time!r} its time zone, such as `tz=UTC`"
        renewed: object = await driver.renew("worker", timedelta(hours=1))
        assert isinstance(renewed, Renewed), f"`renew` answers with a `Renewed`, not {renewed!r}"
        assert renewed.tokens == frozenset({claim.token}), "`Renewed.tokens` is a frozenset of the tokens of all claims"
        settled = await driver.exchange("worker", 2, [Finish(claim.job_id, claim.token)])
        assert _types(settled.outcomes) == {SettleOutcome}, f"`outcomes` are `SettleOutcome`: not {settled.outcomes!r}"
        recovered: object = await driver.recover()
        assert type(recovered) is int, f"`recover` answers with the number of jobs, not {recovered!r}"

    @conformance_test(hints=True)
    async def test_capability_wait_returns_at_hints(self, kit: SuiteContext) -> None:
        """`wait` returns at a hint that there may be work, unless the harness says `has_hints = False`."""
        driver = await kit.driver()
        async with woken(await kit.worker(driver)):
            await kit.push(driver)

    @pytest.mark.parametrize("capability", list(CAPABILITY_PROTOCOLS))
    @conformance_test()
    async def test_capability_what_is_stated_has_its_methods(self, kit: SuiteContext, capability: Capability) -> None:
        """Each capability has a protocol: a driver that lists it has its methods."""
        kit.needs(capability)
        driver, protocol = await kit.driver(), CAPABILITY_PROTOCOLS[capability]
        missing = sorted(name for name in dir(protocol) if name[0] != "_" and not hasattr(driver, name))
        listed = f"`{capability.name}` is in `capabilities`: write its methods, or take it out"
        assert not missing, f"{listed}; it lacks {', '.join(missing)}"
        assert isinstance(driver, protocol), listed

    @pytest.mark.parametrize("capability", list(PROBES))
    @conformance_test()
    async def test_capability_what_works_is_stated(self, kit: SuiteContext, capability: Capability) -> None:
        """Claimed but not working fails; working but unclaimed warns."""
        driver = await kit.driver()
        stated = capability in driver.capabilities
        if not isinstance(driver, CAPABILITY_PROTOCOLS[capability]):
            assert not stated
            return
        job_id = await kit.push(driver)
        try:
            works = await PROBES[capability](driver, job_id)
        except Exception:
            if stated:
                raise
            works = False
        if stated:
            assert works, f"{capability.name} is listed as supported, but does not work"
        elif works:
            warnings.warn(f"{capability.name} works, but is not listed as supported", ConformanceWarning, stacklevel=2)

    @conformance_test()
    async def test_capability_configuration_and_clock(self, kit: SuiteContext) -> None:
        """Every driver shows the configuration and takes the clock that it was made with."""
        driver = await kit.driver()
        for name in ("queue_key", "poll_time", "retention_policy", "max_payload", "max_atomic_push"):
            given, shown = getattr(kit.configuration, name), getattr(driver.configuration, name)
            assert shown == given, f"the driver has another {name} than `make_driver` was given: pass it on"
        distance = abs(driver.clock.now() - kit.now())
        assert distance < timedelta(minutes=5), "the driver has another clock than `make_driver` was given: pass it on"
        if kit.clock is not None:
            await kit.advance(timedelta(days=1))
            assert driver.clock.now() == kit.clock.now()

    @conformance_test()
    async def test_capability_closing_twice(self, kit: SuiteContext) -> None:
        """A driver is ended by `aclose` or `async with`; closing twice is fine, and leaves the jobs in the store."""
        async with kit.make(kit.configuration) as driver:
            job_id = await kit.push(driver)
            await driver.aclose()
            await driver.aclose()
        claimed = await kit.claimed(await kit.driver())
        assert claimed == [job_id], "the drivers of a harness share its store, which keeps its jobs when one is closed"

    @conformance_test()
    async def test_capability_a_driver_that_was_never_used(self, kit: SuiteContext) -> None:
        """Connections and tasks are opened on first use: a driver that is only made and closed does nothing."""
        async with kit.make(replace(kit.configuration, queue_key="{never}")) as driver:
            assert driver.configuration.queue_key == "{never}"

    @conformance_test(Capability.QUEUE, Hook.OPEN_CONNECTIONS)
    async def test_capability_a_closed_driver_leaves_no_connection(self, kit: SuiteContext) -> None:
        """A driver that is closed has closed what it opened: also one that waited, or whose callers gave up."""
        before = await kit.harness.open_connections()
        for gives_up in (False, True):
            async with kit.make(kit.configuration) as driver:
                await kit.push(driver)
                worker = await kit.worker(driver)
                await worker.claim_one()
                wait, exchange = driver.wait(worker.id, timedelta(seconds=30)), worker.exchange(limit=1)
                begun: list[asyncio.Future[Any]] = [asyncio.ensure_future(wait), asyncio.ensure_future(exchange)]
                if not gives_up:
                    await begun[1]
                await asyncio.sleep(0)
                for call in begun:
                    call.cancel()
                await asyncio.wait(begun)

        async def is_closed() -> bool:
            return await kit.harness.open_connections() == before

        assert await kit.repeated_within(PATIENCE, is_closed), "a closed driver has left a connection open"

    @conformance_test(Capability.QUEUE, Hook.OPEN_CONNECTIONS)
    async def test_capability_a_closed_driver_leaves_nothing_of_any_use(self, kit: SuiteContext) -> None:
        """A driver that is closed has closed what it opened, whatever it was used for, and however that ended."""
        before = await kit.harness.open_connections()
        moment = timedelta(seconds=10)
        async with kit.make(kit.configuration) as driver:
            worker = await kit.worker(driver)
            keep_for = moment if Capability.RESULTS in kit.capabilities else None
            job = kit.job(keep_for=keep_for)
            await driver.push([job, kit.job(keep_for=keep_for)])
            claim, other = await worker.claim(2)
            if Capability.ABORT in kit.capabilities:
                told = asyncio.ensure_future(driver.wait(worker.id, moment, work=False))
                await asyncio.sleep(0)
                await driver.abort(job.job_id)
                await told
            if Capability.RESULTS in kit.capabilities:
                ended = asyncio.ensure_future(driver.ended([job.job_id], moment))
                await asyncio.sleep(0)
                await worker.finish(claim)
                await ended
                await worker.finish(other)  # news of an end that nobody waits for any more
            if Capability.INSPECTION in kit.capabilities:
                await driver.counts()
            if Capability.METADATA in kit.capabilities:
                await driver.set_metadata("key", b"value")
            if Capability.DURABILITY in kit.capabilities and kit.harness.counts_replicas:
                demanding = replace_job(kit.job(), durability=Durability(replicas=9, timeout=timedelta(milliseconds=1)))
                with suppress(NotDurable):
                    await driver.push([demanding])

        async def is_closed() -> bool:
            return await kit.harness.open_connections() == before

        assert await kit.repeated_within(PATIENCE, is_closed), "a closed driver has left a connection open"

    @conformance_test(Capability.INSPECTION)
    async def test_capability_a_closed_driver_leaves_no_trace(self, kit: SuiteContext) -> None:
        """A driver owns its tasks and connections, not the jobs: closing it changes no job."""
        async with kit.make(kit.configuration) as driver:
            job_id = await kit.push(driver)
            worker = await kit.worker(driver)
            await worker.claim_one()
            pending = new_job_id()
            await driver.push([kit.job(job_id=pending)])
        driver = await kit.driver()
        assert await driver.status(job_id) is JobStatus.PROCESSING
        assert await driver.status(pending) is JobStatus.PENDING
