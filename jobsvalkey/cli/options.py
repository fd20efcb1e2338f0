"""Options that many commands have."""

from typing import Annotated, TypeAlias

import typer

DEFAULT_URL = "valkey://localhost:6379"
URL_VARIABLE = "JOBSVALKEY_URL"
DEFAULT_QUEUE = "jobQueue"

Url: TypeAlias = Annotated[
    str,
    typer.Option(
        "--url",
        envvar=URL_VARIABLE,
        help="The server: valkey://USER:PASSWORD@HOST:PORT/DATABASE, valkeys:// for TLS, unix://, "
        "valkey+cluster://HOST:PORT, valkey+sentinel://HOST:PORT,HOST:PORT/SERVICE.",
    ),
]
OptionalUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar=URL_VARIABLE,
        help="The server. Without one, a server of its own is started for as long as it takes.",
        show_default=False,
    ),
]
Queue: TypeAlias = Annotated[str, typer.Option("--queue", help="The queue's key.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:SERVICE",
        help="A JobService or a JobQueue in a module, or a function there that returns one.",
        show_default=False,
    ),
]
ScheduleTarget: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:SERVICE",
        help="A JobService or a JobSchedule in a module, or a function there that returns one.",
        show_default=False,
    ),
]
Targets: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="MODULE:SERVICE...",
        help="A JobService or a JobQueue in a module, or a function there that returns one. If there are several, a "
        "slot goes to the first that has a job due.",
        show_default=False,
    ),
]
