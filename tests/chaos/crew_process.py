"""The process that the others of a crew are copies of: they need not import all of it, which takes half a second each.

It reads a role a line, as JSON, and prints the number of the process that plays it. At the end of its input all of
them are killed.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.chaos.roles import Role, play


def _be(role: Role) -> None:
    code = 1
    try:
        # What it says is for whoever looks for a reason.
        descriptor = os.open(role.log.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 2)
        os.dup2(descriptor, 1)
        logging.getLogger("jobsvalkey.job").setLevel(logging.CRITICAL)  # many jobs are to fail
        asyncio.run(play(role))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        number = os.fork()
        if number == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            given["log"] = Path(given["log"])
            _be(Role(**given))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
