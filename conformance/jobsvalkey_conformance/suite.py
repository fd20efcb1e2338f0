"""The suite: all areas in one class."""

from jobsvalkey_conformance.areas.abort import AbortTests
from jobsvalkey_conformance.areas.activity import ActivityTests
from jobsvalkey_conformance.areas.again import AgainTests
from jobsvalkey_conformance.areas.batches import BatchTests
from jobsvalkey_conformance.areas.behind import BehindTests
from jobsvalkey_conformance.areas.cancel import CancelTests
from jobsvalkey_conformance.areas.capabilities import CapabilityTests
from jobsvalkey_conformance.areas.claim import ClaimTests
from jobsvalkey_conformance.areas.cleanup import CleanupTests
from jobsvalkey_conformance.areas.cleanup_jobs import CleanupJobTests
from jobsvalkey_conformance.areas.clocks import ClockTests
from jobsvalkey_conformance.areas.concurrency import ConcurrencyTests
from jobsvalkey_conformance.areas.connections import ConnectionTests
from jobsvalkey_conformance.areas.damage import DamageTests
from jobsvalkey_conformance.areas.digests import DigestTests
from jobsvalkey_conformance.areas.durability import DurabilityTests
from jobsvalkey_conformance.areas.ended import EndedTests
from jobsvalkey_conformance.areas.exact import ExactTests
from jobsvalkey_conformance.areas.expired import ExpiredTests
from jobsvalkey_conformance.areas.expiry import ExpiryTests
from jobsvalkey_conformance.areas.faults import FaultTests
from jobsvalkey_conformance.areas.flows import FlowTests
from jobsvalkey_conformance.areas.halves import HalfTests
from jobsvalkey_conformance.areas.holding import HoldingTests
from jobsvalkey_conformance.areas.inspection import InspectionTests
from jobsvalkey_conformance.areas.laned import LanedTests
from jobsvalkey_conformance.areas.lanes import LaneTests
from jobsvalkey_conformance.areas.late import LateTests
from jobsvalkey_conformance.areas.limits import LimitTests
from jobsvalkey_conformance.areas.lives import LifeTests
from jobsvalkey_conformance.areas.meeting import MeetingTests
from jobsvalkey_conformance.areas.metadata import MetadataTests
from jobsvalkey_conformance.areas.order import OrderTests
from jobsvalkey_conformance.areas.overtaken import OvertakenTests
from jobsvalkey_conformance.areas.parents import ParentTests
from jobsvalkey_conformance.areas.pausing import PausingTests
from jobsvalkey_conformance.areas.pitfalls import PitfallTests
from jobsvalkey_conformance.areas.precision import PrecisionTests
from jobsvalkey_conformance.areas.processes import ProcessTests
from jobsvalkey_conformance.areas.push import PushTests
from jobsvalkey_conformance.areas.races import RaceTests
from jobsvalkey_conformance.areas.rates import RateTests
from jobsvalkey_conformance.areas.refused import RefusedTests
from jobsvalkey_conformance.areas.repeats import RepeatTests
from jobsvalkey_conformance.areas.replacing import ReplacingTests
from jobsvalkey_conformance.areas.reports import ReportTests
from jobsvalkey_conformance.areas.results import ResultTests
from jobsvalkey_conformance.areas.resume import ResumeTests
from jobsvalkey_conformance.areas.retention import RetentionTests
from jobsvalkey_conformance.areas.retry import RetryTests
from jobsvalkey_conformance.areas.runs import RunTests
from jobsvalkey_conformance.areas.saved import SavedTests
from jobsvalkey_conformance.areas.scheduling import SchedulingTests
from jobsvalkey_conformance.areas.settle import SettleTests
from jobsvalkey_conformance.areas.sharing import SharingTests
from jobsvalkey_conformance.areas.sizes import SizeTests
from jobsvalkey_conformance.areas.stands_for import StandsForTests
from jobsvalkey_conformance.areas.threads import ThreadTests
from jobsvalkey_conformance.areas.together import TogetherTests
from jobsvalkey_conformance.areas.unique import UniqueTests
from jobsvalkey_conformance.areas.waiting import WaitingTests
from jobsvalkey_conformance.areas.ways_back import BackTests
from jobsvalkey_conformance.areas.workers import WorkerTests
from jobsvalkey_conformance.history.area import HistoryArea
from jobsvalkey_conformance.machine.area import StatefulArea
from jobsvalkey_conformance.machine.combined import CombinedTests
from jobsvalkey_conformance.machine.sequences import SequenceTests


class DriverConformance(
    # Pytest runs the tests of the last one first: a bug is named by an area, before the searches look for it. Areas
    # that wait in real time come later than others.
    HistoryArea,
    StatefulArea,
    SizeTests,
    HalfTests,
    MeetingTests,
    ProcessTests,
    ThreadTests,
    SharingTests,
    PitfallTests,
    AgainTests,
    RefusedTests,
    TogetherTests,
    StandsForTests,
    BackTests,
    SequenceTests,
    CombinedTests,
    ClockTests,
    RateTests,
    LimitTests,
    LanedTests,
    LaneTests,
    BatchTests,
    ParentTests,
    FlowTests,
    ExpiredTests,
    ExpiryTests,
    SavedTests,
    ReportTests,
    ReplacingTests,
    HoldingTests,
    UniqueTests,
    EndedTests,
    ResultTests,
    CleanupJobTests,
    CleanupTests,
    RetentionTests,
    ActivityTests,
    RunTests,
    InspectionTests,
    SchedulingTests,
    MetadataTests,
    PausingTests,
    ResumeTests,
    AbortTests,
    CancelTests,
    BehindTests,
    WaitingTests,
    RaceTests,
    DurabilityTests,
    LateTests,
    OvertakenTests,
    ConnectionTests,
    FaultTests,
    DamageTests,
    ConcurrencyTests,
    ExactTests,
    LifeTests,
    WorkerTests,
    DigestTests,
    RepeatTests,
    RetryTests,
    SettleTests,
    PrecisionTests,
    OrderTests,
    ClaimTests,
    PushTests,
    CapabilityTests,
):
    """Every test that a driver's capabilities call for.

    Subclass it, and say which harness makes the drivers::

        class TestMyDriver(DriverConformance):
            harness_type = MyHarness
    """
