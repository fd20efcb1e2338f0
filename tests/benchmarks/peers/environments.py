"""An environment of its own for each peer: none has to go without its newest release for the sake of another."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.all import peer_named

OURS: Final = "jobsvalkey"
_VERSIONS: Final = """
import json, re, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def environment(name: str, folder: Path) -> Path:
    """Return the interpreter of a peer, whose environment in `folder` is made unless it is there."""
    if name == OURS:
        return Path(sys.executable)
    place, wanted = folder / name, "\n".join([sys.version, *peer_named(name).requirements])
    made = place / "made"
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        install = [place / "bin" / "python", "-m", "pip", "install", "--quiet", *peer_named(name).requirements]
        subprocess.run(install, check=True)
        made.write_text(wanted)
    return place / "bin" / "python"


def versions(name: str, interpreter: Path) -> str:
    """Return which release of a peer its environment holds, and of what it talks to the server with."""
    names = [requirement.partition("==")[0].partition("[")[0] for requirement in peer_named(name).requirements]
    command = [interpreter, "-c", _VERSIONS, *names]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return ", ".join(f"{name} {version}" for name, version in found.items())
