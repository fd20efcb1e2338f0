"""What a seed decides of its simulation, before anything runs."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from jobsvalkey import ActiveLock, ProcessorOptions

HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What may happen between a process and its store, each with its probability for one call."""

    distance: float
    """Seconds that a request, or a reply, takes at most as a rule."""
    refused: float = 0.0
    """The call fails, and nothing is done."""
    lost: float = 0.0
    """The step is done, and its reply is lost: the call fails a while later."""
    slow: float = 0.0
    """It takes up to `LONGEST` seconds."""
    late: float = 0.0
    """A call that its caller has given up is done all the same, up to `LONGEST` seconds later."""
    hints_lost: float = 0.0

    @property
    def are_any(self) -> bool:
        """Whether something may fail."""
        return self.refused + self.lost + self.slow + self.hints_lost > 0


LONGEST = 30.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The shape of one simulation."""

    seed: int
    faults: Faults
    hosts: int
    queues: int
    weights: list[float] | None
    slots: int
    jobs: int
    lasts: float
    """Seconds in which jobs are pushed and things happen; after it there are no more faults."""
    poll_time: float
    deaths: bool
    stalls: bool
    outages: bool
    forgets: bool
    """Whether the store forgets workers."""
    blocks: bool
    """Whether handlers block their process."""
    schedules: bool
    max_recoveries: int | None
    every: float
    hold_for: float
    graceful: float
    grace: float
    step: float

    @property
    def is_calm(self) -> bool:
        """Whether nothing ever fails: then nothing is late, done twice or given up either."""
        return not (self.faults.are_any or self.deaths or self.stalls or self.outages or self.forgets or self.blocks)

    def options(self) -> ProcessorOptions:
        """Return those of its processors."""
        return ProcessorOptions(
            num_workers=self.slots,
            worker_active_lock=ActiveLock(
                every=timedelta(seconds=self.every), hold_for=timedelta(seconds=self.hold_for)
            ),
            max_recoveries=self.max_recoveries,
            graceful_shutdown_timeout=timedelta(seconds=self.graceful),
            cancel_grace=timedelta(seconds=self.grace),
        )


def draw(seed: int) -> Settings:
    """Decide on a simulation."""
    random = Random(seed)

    def maybe(probability: float) -> bool:
        return random.random() < probability

    distance = random.choice([0.0, 0.001, 0.02, 0.3])
    calm = maybe(0.3)
    faults = Faults(distance=distance)
    if not calm and maybe(0.85):
        faults = Faults(
            distance=distance,
            refused=random.choice([0.0, 0.02, 0.1]),
            lost=random.choice([0.0, 0.02, 0.1]),
            slow=random.choice([0.0, 0.01, 0.05]),
            late=random.choice([0.0, 0.5]),
            hints_lost=random.choice([0.0, 0.2]),
        )
    queues = random.choice([1, 1, 1, 2, 3])
    every = random.choice([2.0, 5.0, 15.0])
    return Settings(
        seed=seed,
        faults=faults,
        hosts=random.randint(1, 3),
        queues=queues,
        weights=random.choice([None, [random.uniform(0.2, 4) for _ in range(queues)]]),
        slots=random.choice([1, 2, 3, 5, 8]),
        jobs=random.randint(5, 60),
        lasts=random.choice([20.0, 60.0, 200.0]),
        poll_time=HOUR if calm else random.choice([2.0, 5.0, 20.0]),
        deaths=not calm and maybe(0.4),
        stalls=not calm and maybe(0.4),
        outages=not calm and maybe(0.3),
        forgets=not calm and maybe(0.2),
        blocks=not calm and maybe(0.3),
        schedules=maybe(0.4),
        max_recoveries=random.choice([None, 1, 2, 5]),
        every=every,
        hold_for=every * random.choice([2.0, 3.0]),
        graceful=random.choice([0.0, 3.0, 20.0]),
        grace=random.choice([0.5, 5.0]),
        step=random.choice([1e-6, 1e-6, 1e-5, 1e-3]),
    )
