"""`jobsvalkey --help` loads no command: what it says of each is what the command says itself."""

import json
import subprocess
import sys
from typing import Any

import typer.main

from jobsvalkey.cli.main import COMMANDS, application
from tests.support.processes import ROOT

LOADED = """
import json, sys
from jobsvalkey.cli.main import main
main(sys.argv[1:])
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] in ("jobsvalkey", "valkey", "asyncio"))))
"""


def loaded(*words: str) -> list[str]:
    """The modules that are there after a command."""
    command = [sys.executable, "-c", LOADED, *words]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return json.loads(told.splitlines()[-1])


def test_it_says_of_each_command_what_that_says_of_itself() -> None:
    def told(words: list[str]) -> dict[str, str]:
        group: Any = typer.main.get_command(application(words))
        context = typer.Context(group, info_name="jobsvalkey")
        commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
        return {name: command.get_short_help_str(200) for name, command in commands.items()}

    assert told([]) == told(list(COMMANDS)) == COMMANDS
    assert list(told([])) == list(told(list(COMMANDS)))


def test_it_loads_nothing_of_the_library() -> None:
    found = loaded("--help")
    assert [name for name in found if not name.startswith("jobsvalkey")] == []
    assert [name for name in found if not name.startswith("jobsvalkey.cli")] == ["jobsvalkey"]
    assert [name for name in found if name.startswith("jobsvalkey.cli.commands")] == []


def test_a_command_loads_no_other() -> None:
    found = loaded("jobs", "list", "--help")
    assert [name for name in found if name.startswith("jobsvalkey.cli.commands.")] == ["jobsvalkey.cli.commands.jobs"]
