"""The steps of the machine that are exchanges: claims, settlements, reports, and repeats of them."""

from dataclasses import replace

from hypothesis import strategies as st

from jobsvalkey.contract import Capability, Exchanged, SettleOutcome, WorkerID
from jobsvalkey_conformance.machine.base import MachineBase
from jobsvalkey_conformance.machine.happenings import has_claims
from jobsvalkey_conformance.machine.names import queues
from jobsvalkey_conformance.machine.pair import (
    REPORTS,
    SETTLEMENTS,
    PairedClaim,
    PairedExchange,
    PairedReport,
    PairedSettlement,
)
from jobsvalkey_conformance.machine.steps import step

workers: st.SearchStrategy[int] = st.integers(0, 1)
claims: st.SearchStrategy[int] = st.integers(0, 5)
"""Which claim is meant, counted back from the latest."""
settlements: st.SearchStrategy[list[tuple[str, int]]] = st.lists(
    st.tuples(st.sampled_from(SETTLEMENTS), claims), min_size=1, max_size=3
)


class ExchangingMachine(MachineBase):
    """The steps of workers with the jobs of the two queues."""

    @step(queue=queues, worker=workers, limit=st.integers(1, 3), often=3)
    def claim(self, queue: int, worker: int, limit: int) -> None:
        """Claim what is due."""
        self.exchange_once(queue, self.worker(queue, worker), [], limit)

    @step(queue=queues, settle=settlements, limit=st.integers(0, 1), often=3, when=has_claims)
    def settle(self, queue: int, settle: list[tuple[str, int]], limit: int) -> None:
        """Settle claims as the worker that has, or had, them."""
        chosen = self.settlements(queue, settle)
        worker = chosen[0].claim.worker if chosen else self.worker(queue, 0)
        self.exchange_once(queue, worker, chosen, limit if chosen else 1)

    @step(queue=queues, worker=workers, settle=settlements, limit=st.integers(0, 3))
    def exchange(self, queue: int, worker: int, settle: list[tuple[str, int]], limit: int) -> None:
        """Settle claims, also such as are another worker's, and claim."""
        self.exchange_once(queue, self.worker(queue, worker), self.settlements(queue, settle), limit)

    @step(
        Capability.REPORTS,
        queue=queues,
        reports=st.lists(st.tuples(st.sampled_from(REPORTS), claims), min_size=1, max_size=3),
        settle=st.lists(st.tuples(st.sampled_from(SETTLEMENTS), claims), max_size=2),
        limit=st.integers(0, 1),
        often=3,
        when=has_claims,
    )
    def report(self, queue: int, reports: list[tuple[str, int]], settle: list[tuple[str, int]], limit: int) -> None:
        """Report about claims as the worker that has, or had, the first of them, and settle some."""
        known = self.known_claims(queue)
        if known:
            number = self.next_number()
            chosen = [
                PairedReport(kind, known[-1 - back % len(known)], f"{number}.{at}".encode())
                for at, (kind, back) in enumerate(reports)
            ]
            self.exchange_once(queue, chosen[0].claim.worker, self.settlements(queue, settle), limit, chosen)

    def known_claims(self, queue: int) -> list[PairedClaim]:
        """The claims that there ever were, those that are held last."""
        pair = self.pairs[queue]
        held = {token for worker in pair.twin.state.workers.values() for token in worker.claims}
        return sorted(pair.claims, key=lambda claim: claim.twin in held)

    def settlements(self, queue: int, settle: list[tuple[str, int]]) -> list[PairedSettlement]:
        """Resolve kinds of settlements and claims counted back from the latest."""
        known = self.known_claims(queue)
        if not self.states(Capability.ABORT):
            settle = [("release" if kind == "cancel" else kind, back) for kind, back in settle]
        if not self.states(Capability.RESULTS):
            settle = [("finish" if kind == "return" else kind, back) for kind, back in settle]
        return [PairedSettlement(kind, known[-1 - back % len(known)]) for kind, back in settle if known]

    def exchange_once(
        self,
        queue: int,
        name: WorkerID,
        settlements: list[PairedSettlement],
        limit: int,
        reports: list[PairedReport] | None = None,
    ) -> None:
        """An exchange of a worker under its next number."""
        sequence = self.sequences[queue, name] = self.sequences.get((queue, name), 0) + 1
        self.send(queue, PairedExchange(name, sequence, settlements, limit, reports or []))

    def send(self, queue: int, asked: PairedExchange, *, repeat: bool = False) -> None:
        """Send an exchange, for the first time or again; keep it if it is promised what another repeat does."""
        pair, resent = self.pair(queue), self.pairs[queue].losing_reply
        answer = self.run(pair.exchange(f"again {asked}" if repeat else f"{asked}", asked, repeat=repeat))
        if not repeat:
            self.exchanges[queue, asked.worker] = asked
        if resent and not (
            isinstance(answer, Exchanged)
            and (answer.claims or SettleOutcome.SETTLED in (*answer.reported, *answer.outcomes))
        ):
            # The driver sent it again, and then may record it though it did nothing.
            self.exchanges.pop((queue, asked.worker), None)

    @step(queue=queues, worker=workers, lower=st.booleans(), when=lambda machine: bool(machine.exchanges))
    def exchange_again(self, queue: int, worker: int, lower: bool) -> None:
        """Send a worker's last exchange again, or under a lower number."""
        asked = self.exchanges.get((queue, self.worker(queue, worker)))
        if asked is not None:
            self.send(queue, replace(asked, sequence=asked.sequence - lower), repeat=True)
