import copy
import json
import pickle
from uuid import UUID, uuid4

import pytest

from jobsvalkey import JobID, new_job_id

TEXT = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"


def made() -> list[JobID]:
    """The same id, by each way of making one."""
    return [
        JobID(TEXT),
        JobID(TEXT.lower()),
        JobID(int=UUID(TEXT).int),
        JobID.parse(TEXT),
        JobID.parse(TEXT.lower().encode()),
        JobID.parse(UUID(TEXT)),
        JobID.from_wire(TEXT.encode()),
        JobID.from_int(UUID(TEXT).int),
    ]


def test_every_way_makes_the_same_id() -> None:
    assert len(set(made())) == 1
    for job_id in made():
        assert str(job_id) == TEXT
        assert repr(job_id) == f"JobID('{TEXT}')"
        assert type(job_id) is JobID


@pytest.mark.parametrize("other", [UUID(TEXT), TEXT, TEXT.lower(), JobID(TEXT)], ids=["uuid", "upper", "lower", "id"])
def test_it_equals_the_uuid_and_its_texts(other: object) -> None:
    for job_id in made():
        assert job_id == other
        assert other == job_id
        assert not job_id != other  # noqa: SIM202 - both operators


@pytest.mark.parametrize("other", [uuid4(), "text", "", None, 5, TEXT.encode(), new_job_id()])
def test_it_equals_nothing_else(other: object) -> None:
    assert JobID(TEXT) != other
    assert other != JobID(TEXT)


def test_its_hash_is_that_of_the_uuid() -> None:
    assert hash(JobID(TEXT)) == hash(UUID(TEXT))
    found: dict[UUID, str] = {UUID(TEXT): "uuid"}
    assert found[JobID(TEXT)] == "uuid"
    found[JobID(TEXT)] = "id"
    assert found == {UUID(TEXT): "id"}


def test_it_is_ordered_as_uuids_and_as_their_texts_are() -> None:
    ids = [JobID.parse(uuid4()) for _ in range(100)]
    assert sorted(ids) == sorted(ids, key=str) == sorted(ids, key=lambda job_id: UUID(int=job_id.int))


def test_it_cannot_be_changed() -> None:
    job_id = JobID(TEXT)
    with pytest.raises(TypeError):
        job_id.int = 5  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled(protocol: int) -> None:
    for job_id in made():
        again = pickle.loads(pickle.dumps(job_id, protocol))  # noqa: S301 - our own bytes
        assert (again, type(again), str(again)) == (job_id, JobID, TEXT)


def test_it_is_copied() -> None:
    for job_id in made():
        for again in (copy.copy(job_id), copy.deepcopy(job_id), copy.deepcopy([job_id])[0]):
            assert (again, type(again), hash(again)) == (job_id, JobID, hash(job_id))


def test_it_does_what_a_uuid_does() -> None:
    job_id = JobID(TEXT)
    assert (job_id.version, job_id.bytes, job_id.hex) == (4, UUID(TEXT).bytes, UUID(TEXT).hex)
    assert json.dumps(str(job_id)) == f'"{TEXT}"'
    assert f"{job_id}" == TEXT


@pytest.mark.parametrize("text", ["", "42", "x" * 36, TEXT[:-1], f"{TEXT}0", b"\xff" * 36, f"{TEXT[:-1]}ä"])
def test_what_is_no_id_is_an_error_that_shows_one(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"is not a job id: a job id is a UUID, such as [0-9A-F-]{36}$"):
        JobID.parse(text)
