"""Every file below a folder."""

import os
import stat
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import valkey

from jobsvalkey.cli.errors import WrongUsage


@dataclass(slots=True)
class Found:
    """The files below a folder."""

    folder: Path
    files: list[bytes] = field(default_factory=list[bytes])
    """Their paths, as bytes, since a name need not be text."""
    passed_over: int = 0
    """Links that lead nowhere, folders that cannot be read, and what is no regular file (pipes, sockets, devices)."""


def default_folder() -> Path:
    """Return the folder of the installed packages that this one needs."""
    folder = Path(valkey.__file__).parents[1]
    return folder if folder.is_dir() else Path(sysconfig.get_path("purelib"))


def find_files(folder: Path) -> Found:
    """Every regular file below `folder`, links to files included; links to folders are not followed.

    Raises:
        WrongUsage: it is not a folder, or there is no file in it.
    """
    if not folder.is_dir():
        raise WrongUsage(f"{folder} is not a folder: name one that has files in it")
    found = Found(folder)

    def cannot_read(_error: OSError) -> None:
        found.passed_over += 1

    for path, _, names in os.walk(os.fsencode(folder), onerror=cannot_read):
        for name in names:
            file = os.path.join(path, name)
            try:
                is_file = stat.S_ISREG(os.stat(file).st_mode)
            except OSError:
                is_file = False
            if is_file:
                found.files.append(file)
            else:
                found.passed_over += 1
    if not found.files:
        raise WrongUsage(f"there is no file below {folder}: name a folder that has some")
    return found
