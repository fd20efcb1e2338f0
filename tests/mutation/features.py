"""What a job or its queue may have beside what a change is about, as conditions of the changed programs.

A condition asks the store itself, so that it can stand at any place of a script where a job is known by its id, and in
the twin wherever there is a job.
"""

from typing import Final

_META: Final = "KEYS[1] .. '.metadata."


def _has(key: str, field: str) -> str:
    return f"redis.pcall('HEXISTS', {_META}{key}' .. tostring({{0}}), '{field}') == 1"


def _says(key: str, field: str, condition: str) -> str:
    return f"tostring(redis.pcall('HGET', {_META}{key}' .. tostring({{0}}), '{field}')){condition}"


def _noted(field: str) -> str:
    return f"redis.pcall('HEXISTS', KEYS[1] .. '/' .. tostring({{0}}) .. '.metadata', '{field}') == 1"


_LANE: Final = f"tostring(redis.pcall('HGET', {_META}_job.' .. tostring({{0}}), 'lane'))"
_LIMIT: Final = f"tostring(redis.pcall('HGET', {_META}_limits', {_LANE}))"
_LETTERS: Final = f"tostring(redis.pcall('GET', {_META}_layout'))"

LUA: Final = {
    "lane": _has("_job.", "lane"),
    "priority": _has("_job.", "priority"),
    "limit": f"{_LIMIT}:find('^%d') ~= nil",
    "rate": f"{_LIMIT}:find('%d$') ~= nil",
    "unique": _has("_job.", "unique"),
    "unique for a time": _says("_job.", "until", ":find('^%d') ~= nil"),
    "unique until its start": _says("_job.", "until", " == 'start'"),
    "keep_for": _has("_job.", "keep_for"),
    "expires": _has("_job.", "expires"),
    "progress": _has("_job.", "progress"),
    "state": _has("_job.", "state"),
    "parents": _has("_job.", "after"),
    "if_failed": _has("_job.", "if_failed"),
    "batch": _has("_job.", "batch"),
    "a batch of its own": _says("_job.", "batch", " == {0}"),
    "doomed": _has("_job.", "doomed"),
    "children": f"redis.pcall('EXISTS', {_META}_children.' .. tostring({{0}})) == 1",
    "abort": f"tostring(redis.pcall('HGET', {_META}_claimed', tostring({{0}}))):find('abort', 1, true) ~= nil",
    "recovered": _noted("recoveries"),
    "error": _noted("error"),
    "result": _noted("result"),
    "remember": _noted("remember"),
    "rerun": _noted("reset"),
    "stored before": _noted("stored"),
    "queue paused": f"{_LETTERS}:find('%a*p') ~= nil",
    "activity": f"{_LETTERS}:find('%a*a') ~= nil",
}
"""By name, for a script: `{0}` is the id of the job."""

STATE: Final = "getattr(self, 'state', self)"
"""All that the twin stores under one key, in a method of what has it."""

PYTHON: Final = {
    "lane": "{0}.lane",
    "priority": "{0}.priority",
    "limit": f"{{0}}.lane and {STATE}.lanes.limit({{0}}.lane)",
    "unique": "{0}.unique",
    "unique for a time": "{0}.unique and not isinstance({0}.unique.until, str)",
    "keep_for": "{0}.keep_for is not None",
    "expires": "{0}.expires is not None",
    "progress": "{0}.progress is not None",
    "state": f"{{0}}.job_id in {STATE}.saved",
    "parents": "{0}.after",
    "batch": "{0}.batch",
    "a batch of its own": "{0}.batch == {0}.job_id",
    "children": f"{STATE}.children.get({{0}}.job_id)",
    "recovered": "{0}.recoveries",
    "error": "{0}.error is not None",
    "result": "{0}.result is not None",
    "rerun": "{0}.reset_attempt",
    "remember": f"{{0}}.job_id in {STATE}.named",
    "queue paused": f"{STATE}.is_paused",
    "activity": f"{STATE}.counts_activity",
}
"""The same for the twin: `{0}` is the job. What asks for more stands only in methods of what has `STATE`."""
