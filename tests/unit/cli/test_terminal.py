"""Whatever names, parameters and errors hold, it does nothing to the terminal that shows them."""

import json
import logging
import sys
from typing import Any

import pytest

from jobsvalkey.cli.terminal import TerminalFormatter, shown, shown_json, shown_lines
from jobsvalkey.contract import Fail, JobName
from jobsvalkey.runtime import JobQueue
from jobsvalkey.runtime.failure import encode_error
from jobsvalkey.valkey import ValkeyJobQueue
from tests.support.drivers import claims_of
from tests.unit.cli.shell import Shell
from tests.unit.cli.workers import Workers

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BIDI = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OTHERS = ["\u2028", "\u2029", "\ufeff", "\udcff", "\U000e0041"]
EVIL = "\x1b[31mred\x9b2J\x07\u202egnp\u2066\r\nforged\x7f"


@pytest.mark.parametrize("character", [*CONTROLS, *BIDI, *OTHERS], ids=ascii)
def test_what_is_not_printable_is_escaped(character: str) -> None:
    assert shown(f"a{character}b") == f"a{character.encode('unicode_escape').decode()}b"
    if character not in "\n\t":
        assert shown_lines(f"a{character}b") == shown(f"a{character}b")
    if character != "\n":
        document = shown_json(f'"a{character}b"')
        assert document.isascii()
        assert document.isprintable()
        assert json.loads(document) == f"a{character}b"


@pytest.mark.parametrize("text", ["", "Grüße, 世界 👋", "a\\x1b", "key: [red]x[/red]"])
def test_what_is_printable_stays(text: str) -> None:
    assert shown(text) == shown_lines(text) == shown_json(text) == text


def is_harmless(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@pytest.fixture
async def evil(queue: JobQueue[ValkeyJobQueue]) -> str:
    """The id of a failed job whose name, parameters and error are full of escape sequences."""
    job_id = await queue.push(JobName(EVIL, dict[str, str]), {EVIL: EVIL})
    (claim,) = await claims_of(queue.driver, 1)
    try:
        raise type(EVIL.replace("\0", ""), (Exception,), {})(EVIL)
    except Exception as error:
        await queue.driver.exchange("worker", 2, [Fail(claim.job_id, claim.token, encode_error(error, 1), keep=True)])
    return str(job_id)


@pytest.mark.parametrize("words", ["jobs list", "jobs show", "jobs cancel", "jobs rerun", "validate", "cleanup"])
@pytest.mark.parametrize("as_json", [False, True])
async def test_a_command_shows_them_escaped(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], evil: str, words: str, as_json: bool
) -> None:
    arguments = words.split()
    arguments += {"jobs list": [], "validate": [], "cleanup": ["--failed", "remove"]}.get(words, [evil])
    found = await shell(*arguments, *(["--json"] if as_json else []))
    assert is_harmless(found.out), found
    assert is_harmless(found.err), found
    if words in ("jobs list", "jobs show") and not as_json:
        assert r"\x1b[31mred\x9b2J\x07\u202egnp\u2066\r\nforged\x7f" in found.out.replace("\n", "")
    if words == "jobs show" and as_json:
        assert found.json["name"] == EVIL
        assert found.json["parameters"] == {EVIL: EVIL}


async def test_an_id_in_the_store_that_is_none_is_escaped(
    shell: Shell, queue: JobQueue[ValkeyJobQueue], valkey_client: Any
) -> None:
    await valkey_client.zadd(f"{shell.queue_key}.pending", {EVIL: 1})
    found = await shell("validate")
    assert found.code == 1
    assert is_harmless(found.out + found.err), found


@pytest.mark.parametrize(
    "words", [["jobs", "show", EVIL], ["info", "--queue", f" {EVIL}"], ["push", EVIL, EVIL], [EVIL]]
)
async def test_an_argument_in_an_error_is_escaped(shell: Shell, words: list[str]) -> None:
    found = await shell(*words, queue=False)
    found.assert_refused(2)
    assert is_harmless(found.err), found


async def test_a_workers_argument_in_an_error_is_escaped(workers: Workers) -> None:
    found = await workers.run(EVIL)
    found.assert_refused(2)
    assert is_harmless(found.err), found


async def test_a_traceback_is_escaped_that_was_asked_for(workers: Workers) -> None:
    workers.environment |= {"JOBSVALKEY_DEBUG": "1"}
    (workers.folder / "evil.py").write_text(f"raise ValueError({EVIL!r})")
    found = await workers.run("evil:service")
    assert found.code == 1
    assert "Traceback" in found.err
    assert is_harmless(found.err), found


def test_a_log_line_is_escaped_and_no_line_is_forged() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "", 1, "job %s", (EVIL,), sys.exc_info())
    lines = TerminalFormatter("%(levelname)s %(message)s").format(record).split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line.startswith("    ") for line in lines] == [False, *[True] * (len(lines) - 1)]
