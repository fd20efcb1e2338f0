"""Tasks that the tests enqueue."""

import asyncio
import threading
from typing import Any

from django.db import connection
from django.tasks import TaskContext, task
from django.utils.safestring import mark_safe

CONNECTIONS = list[Any]()
"""Those of the database that tasks have used."""


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
async def add_slowly(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


@task(queue_name="mail")
def send(to: str) -> dict[Any, Any]:
    return {"to": [to, to], 1: mark_safe("<p>"), "sent": None}


@task
def fail(text: str) -> None:
    raise ValueError(text)


@task
async def fail_slowly(text: str) -> None:
    raise ArithmeticError(text)


@task
def give(kind: str) -> object:
    return {"nan": float("nan"), "set": {1}, "nothing": None}[kind]


@task(takes_context=True)
def tell(context: "TaskContext[Any, Any]", word: str) -> list[Any]:
    result = context.task_result
    return [word, context.attempt, result.id, result.status, result.worker_ids, result.args]


@task(takes_context=True)
async def tell_slowly(context: "TaskContext[Any, Any]", word: str) -> list[Any]:
    return [word, context.attempt, threading.current_thread() is threading.main_thread()]


@task(takes_context=True)
def succeed_the_second_time(context: "TaskContext[Any, Any]") -> int:
    if context.attempt < 2:
        raise ConnectionError("not yet")
    return context.attempt


@task
def ask_the_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        (answer,) = cursor.fetchone()
    CONNECTIONS.append(connection.connection)
    return answer


def _ask() -> int:
    return ask_the_database.func()


@task
async def ask_the_database_slowly() -> int:
    from asgiref.sync import sync_to_async

    return await sync_to_async(_ask)()


NOTED = list[Any]()


@task(takes_context=True)
def note(context: "TaskContext[Any, Any]", value: int) -> int:
    NOTED.append(value)
    return context.task_result.task.priority


def no_task(a: int) -> int:
    raise AssertionError("it must not run")
