import hashlib
import re
from importlib.resources import files

import pytest

from jobsvalkey.valkey import scripting
from jobsvalkey.valkey.scripting import Script

SCRIPTS = [each for each in vars(scripting).values() if isinstance(each, Script)]
FILES = {entry.name.removesuffix(".lua") for entry in (files("jobsvalkey.valkey") / "scripts").iterdir()}


def source(name: str) -> str:
    return (files("jobsvalkey.valkey") / "scripts" / f"{name}.lua").read_text("utf-8")


def test_each_file_is_one_script() -> None:
    assert {script.name for script in SCRIPTS} | {"prelude"} == {name for name in FILES if not name.startswith("_")}
    assert len({script.digest for script in SCRIPTS}) == len(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_called_by_the_digest_of_its_text(script: Script) -> None:
    assert script.digest == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    assert script.text == source("prelude") + "\n" + source(script.name)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_has_a_shebang_or_more_locals_than_lua_takes(script: Script) -> None:
    assert not script.text.startswith("#!")
    # At the top level; a function has its own 200.
    names = [
        name for line in re.findall(r"^local (?:function )?([\w, ]+)", script.text, re.M) for name in line.split(",")
    ]
    assert len(names) < 150


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_takes_a_key_that_is_not_derived_from_the_queues(script: Script) -> None:
    assert set(re.findall(r"KEYS\[(\w+)\]", script.text)) == {"1"}
