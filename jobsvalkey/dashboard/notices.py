"""The notice on a page after an action: made of numbers, so that a link of somebody else cannot say what it likes."""

from urllib.parse import urlencode

from starlette.requests import Request

from jobsvalkey.dashboard.site import ACTIONS


def notice_query(action: str, done: int, of: int) -> str:
    """The query of a page that says what an action has done."""
    return urlencode({"action": action, "done": done, "of": of})


def notice_in(request: Request) -> str:
    """The notice that a query asks for; empty if there is none."""
    given = request.query_params
    action, done, of = given.get("action", ""), given.get("done", ""), given.get("of", "")
    if action not in ACTIONS or not all(number.isascii() and number.isdigit() for number in (done, of)):
        return ""
    return f"{action}: {done} of {of}" + ("" if done == of else "; the others are in another state")
