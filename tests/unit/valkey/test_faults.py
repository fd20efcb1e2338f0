import pytest
from valkey.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
    ValkeyError,
)
from valkey.exceptions import ConnectionError as NotConnected
from valkey.exceptions import TimeoutError as NoAnswer

from jobsvalkey import ConfigurationError, JobsError, StoreFull
from jobsvalkey.contract import OperationRefused, WorkerClosed
from jobsvalkey.valkey.faults import cluster_key, explain, has_hash_tag, without_login
from tests.support.server_errors import PASSING as PASSING_ERRORS

ANSWERS: dict[str, tuple[ValkeyError, type[JobsError], str]] = {
    "a wrong password": (AuthenticationError("WRONGPASS invalid username-password"), ConfigurationError, "password"),
    "no password": (AuthenticationError("Authentication required."), ConfigurationError, "check password"),
    "no login": (ResponseError("NOAUTH Authentication required."), ConfigurationError, "check password"),
    "a wrong login": (ResponseError("WRONGPASS no such user"), ConfigurationError, "user and rights"),
    "no right": (NoPermissionError("this user has no permissions"), ConfigurationError, "rights"),
    "no right, in a script": (ResponseError("NOPERM User me has no permissions"), ConfigurationError, "rights"),
    "not allowed": (AuthorizationError("client is not allowed"), ConfigurationError, "rights"),
    "an old number": (ResponseError("JOBSREFUSED the producer is at 3 already"), OperationRefused, "is at 3 already"),
    "a closed worker": (ResponseError("JOBSCLOSED w1"), WorkerClosed, "worker w1 is closed .* open a new one"),
    "a lock": (ResponseError("JOBSLOCK q.metadata.k is a value, not a lock"), ConfigurationError, "use another key"),
    "a key of ours": (
        ResponseError("JOBSTYPE q.pending holds a list, not a zset"),
        ConfigurationError,
        r"a key of queue 'q' is in use for something else \(q.pending holds a list.*another queue_key",
    ),
    "a key": (ResponseError("WRONGTYPE Operation against a key"), ConfigurationError, "in use for something else"),
    "full": (OutOfMemoryError("command not allowed when used memory > 'maxmemory'"), StoreFull, "nothing was stored"),
    "full, in a script": (ResponseError("OOM allow-oom flag is not set"), StoreFull, "give it more memory"),
    "slots": (
        ClusterCrossSlotError("Keys in request don't hash"),
        ConfigurationError,
        r"queue_key='\{q\}' instead of 'q'",
    ),
    "another slot": (MovedError("1 127.0.0.1:7000"), ConfigurationError, r"queue_key='\{q\}' instead of 'q'"),
    "a script that fails": (
        ResponseError("ERR unknown command 'LPOS'"),
        ConfigurationError,
        "does not do what the driver",
    ),
}

PASSING: list[ValkeyError] = [
    NotConnected("Connection reset by peer"),
    NoAnswer("Timeout reading from socket"),
    BusyLoadingError("LOADING Valkey is loading the dataset in memory"),
    ReadOnlyError("You can't write against a read only replica."),
    AskError("1 127.0.0.1:7000"),
    ResponseError("ASK 1 127.0.0.1:7000"),
    ClusterDownError("CLUSTERDOWN The cluster is down"),
    TryAgainError("Multiple keys request during rehashing of slot"),
    ResponseError("BUSY Valkey is busy running a script."),
    ResponseError("LOADING Valkey is loading the dataset in memory"),
    ResponseError("MASTERDOWN Link with MASTER is down"),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError("READONLY You can't write against a read only replica."),
    *(ResponseError(error) for error in PASSING_ERRORS.values()),
    ResponseError("UNKILLABLE Sorry the script already executed write commands"),
]


@pytest.mark.parametrize(("answer", "error", "text"), ANSWERS.values(), ids=ANSWERS)
def test_each_answer_has_its_error(answer: ValkeyError, error: type[JobsError], text: str) -> None:
    with pytest.raises(JobsError, match=text) as raised:
        raise explain(answer, "q") or AssertionError("nothing to explain")
    assert type(raised.value) is error


@pytest.mark.parametrize("answer", PASSING, ids=lambda answer: f"{type(answer).__name__} {answer}"[:40])
def test_what_passes_is_worth_another_attempt(answer: ValkeyError) -> None:
    assert explain(answer, "q") is None


def test_a_queue_with_a_tag_on_another_node() -> None:
    explained = explain(MovedError("5061 10.0.0.7:7000"), "{mail}")
    assert type(explained) is ConfigurationError
    assert "queue '{mail}' is on another node of the cluster" in str(explained)
    assert "10.0.0.7:7000" in str(explained)


@pytest.mark.parametrize("queue_key", ["{mail}", "{mail}s", "my{mail}", "a}{mail}", "{a}{}"])
def test_keys_with_a_tag(queue_key: str) -> None:
    assert has_hash_tag(queue_key)


@pytest.mark.parametrize("queue_key", ["mail", "{}mail", "{mail", "mail}", "}mail{", "{}{mail}"])
def test_keys_without_one_are_told_how_to_get_it(queue_key: str) -> None:
    assert not has_hash_tag(queue_key)
    assert "queue_key='{mail}' instead of" in str(cluster_key(queue_key))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Error 111 connecting to me:secret@host:6379.", "Error 111 connecting to host:6379."),
        ("Error connecting to valkey://me:se@cr@et@host:6379.", "Error connecting to host:6379."),
        ("no login here", "no login here"),
        ("an @ alone", "an @ alone"),
    ],
)
def test_nothing_before_an_at_is_shown(text: str, shown: str) -> None:
    assert without_login(text) == shown


@pytest.mark.parametrize(
    "error",
    [NoPermissionError("secret@host"), ResponseError("unknown command secret@host"), MovedError("1 me:secret@host:1")],
    ids=lambda error: type(error).__name__,
)
def test_no_error_shows_a_login(error: ValkeyError) -> None:
    assert "secret" not in str(explain(error, "{q}"))
