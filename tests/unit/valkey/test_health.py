"""The health of a service whose server goes away and comes back."""

import asyncio
from datetime import UTC, datetime, timedelta

from jobsvalkey import JobContext, JobService, ProcessorOptions, ServiceHealth
from tests.conftest import StartServer
from tests.support.drivers import driver_at
from tests.support.servers import ServerOptions
from tests.support.waiting import until
from tests.support.work import Work

NOT_RUNNING = ServiceHealth(connected=False, last_claim=None, running=0, lag=timedelta(0))


async def test_health_of_a_service_whose_server_goes_away_and_comes_back(start_server: StartServer) -> None:
    server = start_server(ServerOptions(appendonly=True))
    async with driver_at(server.url, "jobQueue", read_timeout=1) as driver:
        service = JobService(driver, processor=ProcessorOptions(num_workers=2))
        started, go = asyncio.Event(), asyncio.Event()

        @service.job(Work)
        async def work(parameters: Work, context: JobContext) -> None:
            started.set()
            await go.wait()

        assert service.health() == NOT_RUNNING
        async with service:
            await until(lambda: service.health().connected)
            assert service.health().last_claim is None
            first = await service.push(Work(1))
            await started.wait()
            # A handler runs before the exchange that claimed it has been looked at.
            await until(lambda: service.health().last_claim)
            claimed = service.health().last_claim
            assert claimed is not None
            assert abs(datetime.now(UTC) - claimed) < timedelta(seconds=10)
            assert service.health().running == 1

            await asyncio.to_thread(server.stop)
            await until(lambda: not service.health().connected)
            assert service.health().running == 1  # the handler does not mind
            go.set()
            await until(lambda: service.health().running == 0)
            assert not service.health().connected

            await asyncio.to_thread(server.start)
            await until(lambda: service.health().connected)

            async def both_are_gone() -> bool:
                return await service.status(first) == await service.status(second) == "completed"

            second = await service.push(Work(2))
            await until(both_are_gone)
            last = service.health().last_claim
            assert last is not None
            assert last > claimed
        assert service.health() == NOT_RUNNING
