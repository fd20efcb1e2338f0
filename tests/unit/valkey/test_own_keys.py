"""Schedulers' keys meet none of the driver's own."""

import re
from pathlib import Path

import jobsvalkey.valkey
from jobsvalkey.contract.checks import OWN_KEYS

SCRIPTS = Path(jobsvalkey.valkey.__file__).parent / "scripts"


def test_each_key_of_the_scripts_that_ends_in_a_name_is_known_to_the_contract() -> None:
    text = "\n".join(path.read_text() for path in SCRIPTS.rglob("*.lua"))
    found = set(re.findall(r"'((?:\.metadata\.)?[\w.]*\.)'", text))
    families = {each.removeprefix(".metadata.") for each in found} - {""}
    assert {"_worker.", "worker."} <= families
    assert {each for each in families if each.startswith(("_", "worker"))} <= set(OWN_KEYS)
