"""A PostgreSQL server of a test's own, if the machine has one: it listens on a socket in a folder, and at no port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE


def _find() -> Path | None:
    """Debian has the server's programs in a folder of their own, which is on no path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


PROGRAMS = _find()
"""The folder of PostgreSQL's programs; `None` if it is not installed."""


@contextmanager
def postgres() -> Generator[str]:
    """Run a server with an empty database, and give the folder of its socket; the user `postgres` needs no password.

    The server refuses to run as root. Processes are killed in tests, not machines: it waits for no disk.
    """
    programs = PROGRAMS
    assert programs is not None
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="jobsvalkey-postgres-") as folder:
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = f"{folder}/data"

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", data, *arguments]
            subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

        run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-t", str(int(PATIENCE)), "-l", f"{folder}/log", "-o", options)
        try:
            yield folder
        finally:
            run("pg_ctl", "stop", "-m", "immediate", "-w", "-t", str(int(PATIENCE)))
