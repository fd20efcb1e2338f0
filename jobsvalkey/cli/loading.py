"""`MODULE:SERVICE`: the service that a worker runs, found in the user's own code."""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib import parse

import valkey

from jobsvalkey.cli.errors import CommandFailed, WrongUsage, debugging
from jobsvalkey.cli.server_url import ENCODE
from jobsvalkey.contract.option_types import with_article
from jobsvalkey.runtime import Task


def load(target: str, *kinds: type[Any]) -> Any:
    """Return the object that `target` names, or what it returns if it is a function.

    Modules are looked for in the current folder first. An async function, or an async context manager, is not run:
    `opened` does that.

    Raises:
        WrongUsage: there is no such thing, or it is something else.
        CommandFailed: the module or the function raised an error.
    """
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise WrongUsage(f"{target!r} is not MODULE:SERVICE: write, for example, myapp.jobs:service")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    found = _import(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise WrongUsage(f"module {module_name!r} has no {path!r}: name a service that it defines")
        found = getattr(found, name)
    if not isinstance(found, (*kinds, Task)) and callable(found):
        found = _call(target, found)
    is_async = not isinstance(found, kinds) and (
        inspect.iscoroutine(found) or isinstance(found, AbstractAsyncContextManager)
    )
    return cast(Any, found) if is_async else _checked(target, found, kinds)


@asynccontextmanager
async def opened(target: str, found: Any, *kinds: type[Any]) -> AsyncGenerator[Any]:
    """The service of what `load` has found: what an async function returns, or an async context manager gives.

    Raises:
        WrongUsage: it is something else.
        CommandFailed: the function raised an error.
    """
    async with AsyncExitStack() as stack:
        if not isinstance(found, kinds):
            try:
                if inspect.iscoroutine(found):
                    found = await found
                if not isinstance(found, kinds) and isinstance(found, AbstractAsyncContextManager):
                    found = await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", found))
            except Exception as error:
                raise _broken(f"{target} cannot be opened", error) from error
        yield _checked(target, found, kinds)


def _checked(target: str, found: Any, kinds: tuple[type[Any], ...]) -> Any:
    if isinstance(found, kinds):
        return found
    wanted = " or a ".join(kind.__name__ for kind in kinds)
    raise WrongUsage(
        f"{target} is {with_article(type(found).__name__)}: it has to be a {wanted}, or a function "
        "or an async context manager that gives one"
    )


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself, or one that it imports in vain?
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            hint = "leave out the .py" if name.endswith(".py") else "run the command in the folder that has it"
            raise WrongUsage(f"there is no module {name!r}: {hint}") from error
        raise _broken(f"module {name!r} cannot be imported", error) from error
    except Exception as error:
        raise _broken(f"module {name!r} cannot be imported", error) from error


def _call(target: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        raise _broken(f"{target} cannot be called without arguments", error) from error


def _broken(what: str, error: Exception) -> CommandFailed:
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if not _is_of_a_url(frame.filename)), frames[-1])
    place = f"{os.path.basename(where.filename)}, line {where.lineno}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        place = f"{os.path.basename(error.filename)}, line {error.lineno}"
    if isinstance(error, ValueError) and _is_of_a_url(frames[-1].filename):
        # Its message may hold a piece of a password, and so would the traceback.
        error.__cause__ = error.__context__ = None
        error.args = (f"a URL cannot be read; {ENCODE}",)
    hint = "" if debugging() else "; JOBSVALKEY_DEBUG=1 shows the traceback"
    return CommandFailed(f"{what} ({type(error).__name__}: {error}, {place}): correct it{hint}")


def _is_of_a_url(filename: str) -> bool:
    return filename == parse.__file__ or filename.startswith(os.path.dirname(valkey.__file__) + os.sep)
