"""Standard input, output and error as a command finds them: they may be closed, full, or of another encoding."""

import os
import sys
from io import TextIOWrapper


def prepare_streams() -> None:
    """Make the streams usable, whatever the shell has done with them.

    Python has no stream for a file descriptor that is closed, and the next connection would get its number. It is
    opened so that reading gives nothing, and writing fails as it does to any closed file. What the encoding of the
    terminal does not have is printed as an escape.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free, which is this one. Nothing can be written to what is open for reading.
            os.open(os.devnull, os.O_RDONLY)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Let what is still in the buffer of standard output go nowhere: Python writes it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
