"""A program that forks processes of the command line: what they import is there already.

A request is a message of words, folder and environment with three file descriptors; the answers are the process's id
and, when it has ended, its exit code. The program ends with its standard input.
"""

import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys

from jobsvalkey.cli import commands
from jobsvalkey.cli.main import main


def attend(connection: socket.socket) -> None:
    """Start one process and tell its end; returns only in that process, which is ready for its command."""
    request, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    words, folder, environment = json.loads(request)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        for stream in streams:
            os.close(stream)
        connection.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of before know of other files: whether they can be sought in, for one.
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv[1:] = words


def serve(listener: socket.socket) -> bool:
    """Fork for each request; whether this is a process that is to run its command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those end that attend
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:
            return False
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            attend(connection)
            return True
        connection.close()


for found in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
    importlib.import_module(found.name)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    os.write(1, b"ready\n")
    runs = serve(listening)
if runs:
    sys.exit(main())
