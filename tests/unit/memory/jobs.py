"""Jobs of an application, for the tests of what is there to test one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from jobsvalkey import ExponentialJitter, JobContext, JobFail, JobName, JobQueue, JobSleep
from jobsvalkey_memory import MemoryJobQueue


@dataclass(frozen=True)
class SendEmail:
    job_name: ClassVar[str] = "SendEmail"
    to: str


@dataclass(frozen=True)
class Welcome:
    job_name: ClassVar[str] = "Welcome"
    user: str


print_string = JobName("Print String", str)


class App:
    """Registers the jobs, and notes which ran: `calm` succeeds, `flaky` fails twice, `hopeless` always."""

    def __init__(self, queue: JobQueue[MemoryJobQueue[Any]]) -> None:
        self.ran: list[str] = []
        self._queue = queue
        retry = ExponentialJitter(max_attempts=3, min_jitter=0, max_jitter=0)
        queue.register_job(SendEmail, self.send_email, retry_strategy=retry)
        queue.register_job(Welcome, self.welcome)
        queue.register_job(print_string, self.print)

    async def send_email(self, parameters: SendEmail, context: JobContext) -> None:
        self.ran.append(f"email {parameters.to} {context.attempt}")
        if parameters.to == "flaky" and context.attempt < 3:
            raise ConnectionError("no server")
        if parameters.to == "hopeless":
            raise JobFail("no such address")
        if parameters.to == "sleepy" and len(self.ran) == 1:
            raise JobSleep(for_=timedelta(hours=1))

    async def welcome(self, parameters: Welcome, context: JobContext) -> None:
        self.ran.append(f"welcome {parameters.user}")
        await self._queue.push(SendEmail(parameters.user))

    def print(self, parameters: str, context: JobContext) -> None:
        self.ran.append(f"print {parameters}")
