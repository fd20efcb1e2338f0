import hashlib
import inspect
import re
from datetime import timedelta
from importlib.resources import files

import pytest

from jobsvalkey.contract import Cancel, Fail, Finish, JobID, NewJob, Release, Report, Retry, Settlement
from jobsvalkey.valkey import scripting, wire, words
from jobsvalkey.valkey.scripting import CONTEXT, EXCHANGE, PUSH, PUSH_IF, Script

SCRIPTS = [each for each in vars(scripting).values() if isinstance(each, Script)]
FOLDER = files("jobsvalkey.valkey") / "scripts"
FILES = {entry.name.removesuffix(".lua") for entry in FOLDER.iterdir() if entry.name.endswith(".lua")}
LIBRARIES = {entry.name.removesuffix(".lua"): entry.read_text("utf-8") for entry in (FOLDER / "lib").iterdir()}
WORDS = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): each
    for name, each in vars(words).items()
    if inspect.isclass(each) and each.__module__ == words.__name__
}
by_name = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
ID = JobID("0195F3A0-5C1E-7D5A-9D8E-0A1B2C3D4E5F")


def source(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text("utf-8")


def libraries_of(text: str) -> list[str]:
    return [name for line in re.findall(r"^ *-- uses: (.*)$", text, re.M) for name in line.split()]


def test_each_file_is_one_script() -> None:
    assert {script.name for script in SCRIPTS} == FILES
    assert len({script.digest for script in SCRIPTS}) == len(SCRIPTS)


@by_name
def test_a_script_is_called_by_the_digest_of_its_text(script: Script) -> None:
    assert script.digest == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()


@by_name
def test_a_script_has_no_function_that_it_does_not_use(script: Script) -> None:
    code = re.sub(r"--.*|'[^']*'", "", script.text)
    functions = set(re.findall(r"local function (\w+)", code))
    assert [name for name in functions if len(re.findall(rf"(?<![\w.]){name}\b", code)) == 1] == []


@by_name
def test_a_script_uses_no_name_that_is_defined_further_down(script: Script) -> None:
    code = re.sub(r"--.*|'[^']*'", "", script.text)
    for name in set(re.findall(r"local function (\w+)", code)):
        first = re.search(rf"(local function )?(?<![\w.]){name}\(", code)
        assert first is not None
        assert first[1], f"{name} is called before it is defined"


def test_every_library_is_used() -> None:
    texts = [*LIBRARIES.values(), *map(source, FILES)]
    assert {name for text in texts for name in libraries_of(text)} == set(LIBRARIES)


@by_name
def test_no_script_has_a_shebang_or_more_locals_than_lua_takes(script: Script) -> None:
    assert not script.text.startswith("#!")
    # Lua takes 200 at a time, and a function has its own; here they count as if they were of the code around it.
    locals_by_indentation, most = {0: 0}, 0
    for indentation, declares, names in re.findall(r"^( *)(local (?:function )?)?([\w, ]+)", script.text, re.M):
        here = len(indentation)
        locals_by_indentation = {depth: count for depth, count in locals_by_indentation.items() if depth <= here}
        locals_by_indentation[here] = locals_by_indentation.get(here, 0) + (len(names.split(",")) if declares else 0)
        most = max(most, sum(locals_by_indentation.values()))
    assert most < 190


@by_name
def test_no_script_takes_a_key_that_is_not_derived_from_the_queues(script: Script) -> None:
    assert set(re.findall(r"KEYS\[(\w+)\]", script.text)) == {"1"}


@by_name
def test_no_script_takes_a_word_by_its_number(script: Script) -> None:
    assert [text for text in (source(script.name), *LIBRARIES.values()) if "ARGV" in text] == []


@by_name
def test_a_script_has_the_words_of_its_header_by_name(script: Script) -> None:
    numbers = {word: number for number, word in enumerate((*CONTEXT, *script.parameters), start=1)}
    found = re.match(r"local ARGV = ARGV\n(?:local ([\w, ]+) = (ARGV.*)\n)?", script.text)
    assert found is not None
    names, values = (found[1], found[2]) if found[1] else ("", "")
    bound = dict(zip(re.findall(r"\w+", names), re.findall(r"ARGV\[\d+\]", values), strict=True))
    assert bound == {word: f"ARGV[{numbers[word]}]" for word in bound}
    assert set(script.parameters) <= set(bound), "a word that is not used"
    first = len(CONTEXT) + len(script.parameters) + 1
    assert (f" or {first}\n" in script.text) == bool(script.each)


@by_name
def test_python_gives_a_script_the_words_of_its_header(script: Script) -> None:
    own = tuple(word for line in re.findall(r"^-- args: (.*)$", source(script.name), re.M) for word in line.split())
    fields: tuple[str, ...] = getattr(WORDS.get(script.name), "_fields", ())
    assert fields == own
    number = ("producer", "sequence", "digest")
    assert script.parameters == (number + own if "operations" in libraries_of(source(script.name)) else own)


def test_no_words_are_for_a_script_that_is_not_there() -> None:
    assert set(WORDS) <= FILES


SETTLEMENTS: dict[str, tuple[Settlement, dict[str, object]]] = {
    "d": (Finish(ID, b"token"), {"id": str(ID), "token": b"token"}),
    "complete": (Finish(ID, b"token", b"result"), {"id": str(ID), "token": b"token", "result": b"result"}),
    "fail": (
        Fail(ID, b"token", b"error", keep=True),
        {"id": str(ID), "token": b"token", "error": b"error", "keep": "1"},
    ),
    "retry": (
        Retry(ID, b"token", b"request", timedelta(microseconds=7), b"error"),
        {"id": str(ID), "token": b"token", "request": b"request", "due": "+7", "error": b"error"},
    ),
    "cancel": (Cancel(ID, b"token", b"reason"), {"id": str(ID), "token": b"token", "reason": b"reason"}),
    "release": (Release(ID, b"token"), {"id": str(ID), "token": b"token"}),
}


@pytest.mark.parametrize("kind", SETTLEMENTS)
def test_python_gives_a_settlement_the_words_of_its_kind(kind: str) -> None:
    settlement, values = SETTLEMENTS[kind]
    assert wire.settlement_arguments([settlement]) == [kind, *(values[word] for word in EXCHANGE.each[kind])]


def test_every_kind_of_settlement_is_tried() -> None:
    assert set(EXCHANGE.each) == {*SETTLEMENTS, "report"}


@pytest.mark.parametrize(
    ("report", "given"), [((b"1", b"2"), "progress state"), ((b"", None), "progress"), ((None, b""), "state")]
)
def test_python_gives_a_report_its_words(report: tuple[bytes | None, bytes | None], given: str) -> None:
    values = {"id": str(ID), "token": b"token", "given": given, "progress": report[0] or b"", "state": report[1] or b""}
    words = [values[word] for word in EXCHANGE.each["report"]]
    assert wire.report_arguments([Report(ID, b"token", *report)]) == ["report", *words]


def test_python_gives_a_job_the_words_of_the_header() -> None:
    values = {"head": str(ID), "request": b"{}"}
    assert wire.push_arguments([NewJob(ID, b"{}")]) == [values[word] for word in PUSH.each[""]]
    assert PUSH_IF.each == PUSH.each


def test_outcomes_have_the_same_letters_on_both_sides() -> None:
    names = ", ".join(wire.OUTCOMES)
    letters = ", ".join(f"'{letter}'" for letter in wire.OUTCOMES.values())
    assert f"local {names} = {letters}\n" in EXCHANGE.text
