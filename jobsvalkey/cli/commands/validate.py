"""`jobsvalkey validate`: inconsistencies in the store."""

import asyncio

from jobsvalkey.cli.connection import open_queue
from jobsvalkey.cli.errors import CommandFailed
from jobsvalkey.cli.options import DEFAULT_QUEUE, DEFAULT_URL, AsJson, Queue, Url
from jobsvalkey.cli.output import print_json, print_table, say
from jobsvalkey.contract import Inconsistency


def validate(url: Url = DEFAULT_URL, queue: Queue = DEFAULT_QUEUE, json: AsJson = False) -> None:
    """Look for damage in the store.

    Examples are ids without a request, and requests on no list. Workers may go on meanwhile.
    """
    found = asyncio.run(_validate(url, queue))
    if json:
        print_json([{"kind": each.kind, "job_id": str(each.job_id)} for each in found])
    elif found:
        print_table(("kind", "job id"), [(each.kind, each.job_id) for each in found])
    else:
        say(f"queue {queue} is consistent")
    if found:
        raise CommandFailed(
            f"{len(found):,} inconsistencies: `jobs show ID` shows a job, `jobs remove ID` removes what is left of it; "
            "what is not an id goes with a cleanup of its state"
        )


async def _validate(url: str, queue_key: str) -> list[Inconsistency]:
    async with open_queue(url, queue_key) as queue:
        return await queue.driver.validate()
