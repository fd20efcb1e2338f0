import pytest

from jobsvalkey.runtime.failure import MAX_MESSAGE, MAX_TRACEBACK, JobError, decode_error, encode_error


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_an_error_is_recorded_with_its_traceback() -> None:
    error = decode_error(encode_error(raised(ValueError("wrong")), 3))
    assert (error.type, error.message, error.attempt) == ("ValueError", "wrong", 3)
    assert "in raised" in error.traceback
    assert error.traceback.rstrip().endswith("ValueError: wrong")


def test_a_class_of_a_module_is_named_in_full() -> None:
    assert decode_error(encode_error(Broken(), 1)).type == f"{__name__}.Broken"


def test_the_record_is_bounded() -> None:
    def deep(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 100_000)
        (deep if depth % 2 else deep_too)(depth - 1)

    def deep_too(depth: int) -> None:
        deep(depth)

    with pytest.raises(ValueError) as caught:
        deep(300)
    decoded = decode_error(encode_error(caught.value, 1))
    assert (len(decoded.message), len(decoded.traceback)) == (MAX_MESSAGE, MAX_TRACEBACK)


def test_odd_errors_are_recorded_all_the_same() -> None:
    assert "its message raised" in decode_error(encode_error(raised(Broken()), 1)).message
    assert decode_error(encode_error(ValueError("\udcff"), 1)).message == "\\udcff"


def test_the_record_of_another_library_is_shown_as_it_is() -> None:
    assert decode_error(b"\xffboom") == JobError("", "�boom", "", 0)


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError
