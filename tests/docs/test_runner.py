"""The runner of the pages' blocks runs them all, and says where one fails."""

import os
import traceback
from pathlib import Path

import pytest

from tests.support.pages import as_script, as_test_module, blocks, run_page

PAGE = Path("guide/a-page.md")


def page(*python: str) -> str:
    return "\n".join(f"Text.\n\n```python\n{block}\n```\n" for block in python)


def run(markdown: str) -> int:
    return run_page(PAGE, markdown, "valkey://127.0.0.1:7000")


def test_blocks_share_a_namespace_and_an_event_loop() -> None:
    first = "import asyncio\nloop = asyncio.get_running_loop()\nawait asyncio.sleep(0)"
    assert run(page(first, "await asyncio.sleep(0)\nassert loop is asyncio.get_running_loop()")) == 2


def test_a_block_may_run_a_loop_of_its_own_between_others() -> None:
    own = "import asyncio\nasync def main():\n    await asyncio.sleep(0)\nasyncio.run(main())"
    assert run(page(own, "await main()", "asyncio.run(main())")) == 3


def test_a_failure_is_at_its_line_of_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(page("x = 1", "y = 2\n1 / 0"))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(PAGE), 11)


def test_types_of_a_page_are_found_by_name() -> None:
    run(page("import typing, msgspec\nclass A(msgspec.Struct):\n    b: 'list[A]'\ntyping.get_type_hints(A)"))


def test_the_test_server_takes_the_place_of_the_readers() -> None:
    run(page("assert 'valkey://localhost:6379/3' == 'valkey:' + '//127.0.0.1:7000'"))


def test_only_a_reason_just_before_a_block_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", "")
    block = "import os\nos.environ['RUNS'] += 'x'"
    assert run("<!-- not run: it needs a cluster -->\n" + page(block).removeprefix("Text.\n\n") + page(block)) == 1
    assert run("<!-- not run: too far above -->\n\n" + page(block)) == 1
    assert run("<!-- not run: -->\n" + page(block).removeprefix("Text.\n\n")) == 1
    assert os.environ["RUNS"] == "xxx"


def test_blocks_in_lists_are_found() -> None:
    found = list(blocks("1. Do\n\n   ```python\n   x = 1\n   ```\n"))
    assert [(block.language, block.text, block.line) for block in found] == [("python", "x = 1\n", 4)]


def test_tests_of_a_page_are_found() -> None:
    assert as_test_module(page("x = 1", "def test_x():\n    assert x == 1"), "") == (
        "x = 1\n\ndef test_x():\n    assert x == 1\n"
    )
    assert as_test_module(page("x = 1", "def attest_x(): ..."), "") == ""


def test_a_script_ends_with_the_block_that_runs_it() -> None:
    runs = 'if __name__ == "__main__":\n    print(x)'
    assert as_script(page("x = 1", runs, "await y"), "") == f"x = 1\n\n{runs}\n"
