"""What mutation by machine leaves out, and why: it is no business of the kit's, or makes no difference."""

import re
from typing import NamedTuple

from tests.mutation.point import Point


class LeftOut(NamedTuple):
    """A rule: the changes of lines that match, in files that match, are left out."""

    path: str
    line: str
    reason: str


RULES = [
    LeftOut(r"", r"\blogger\b|\.warning\(|\.debug\(", "logs"),
    LeftOut(r"", r"\bfault\(|\berror_reply\b|\bConfigurationError\(", "the texts of errors"),
    LeftOut(r"", r"\bcheck_option\(", "checks of the caller's types, which pyright makes too"),
    LeftOut(r"jobsvalkey_memory/queue\.py", r"class MemoryJobQueue|service_job_prefix", "names"),
    LeftOut(r"jobsvalkey_memory/", r"^self\.now\(\)$", "binds the store to its event loop: tests/unit/memory"),
    LeftOut(
        r"jobsvalkey_memory/",
        r"call_soon_threadsafe|isinstance\(clock, ManualClock\)|^if loop and not loop",
        "wakes who waits when a test moves the clock: tests/unit/memory",
    ),
    LeftOut(r"jobsvalkey_memory/", r"state\.(?:ended|pushed)\.append", "for the assertions of users' tests"),
    LeftOut(
        r"jobsvalkey/valkey/(connection|durability|faults|validation|listening)\.py", r"", "connections, not steps"
    ),
    LeftOut(r"jobsvalkey/valkey/clients\.py", r"", "connection settings: tests/unit/valkey/test_routes.py"),
    LeftOut(
        r"jobsvalkey/valkey/direct\.py",
        r"",
        "pushes of threads, which no call of the contract makes: tests/unit/blocking/test_direct.py",
    ),
    LeftOut(r"jobsvalkey/valkey/pushing\.py", r"_is_done|_lock\b|self\._error|self\._result", "the same"),
    LeftOut(r"jobsvalkey/valkey/(service_jobs|sessions|words|tasks)\.py", r"", "settings, names and texts"),
    LeftOut(r"scripts/(examine|rights)\.lua", r"", "`validate` and rights"),
    LeftOut(r"scripts/lib/(swift|types)\.lua", r"", "what Swift and damaged keys leave: tests/swift and tests/faults"),
    LeftOut(r"scripts/", r"has_ended_in_swift|bring_home|has_wrong_type|is_broken|\bwrong\b", "the same"),
    LeftOut(
        r"scripts/recover\.lua", r"length > 1000|workerID|UNOWNED|PROCESSING", "what Swift's workers hold: tests/swift"
    ),
    LeftOut(
        r"scripts/recover\.lua|scripts/cleanup\.lua",
        r"^done, left = done \+ 1, left - 1$|is_orphan|processingStarted",
        "what Swift's workers hold: tests/swift",
    ),
    LeftOut(
        r"scripts/lib/merging\.lua",
        r"EXISTS|FIELDED_PAUSED|ZADD', FIELDED|ENDS_AT, id|kept_of|lasts_of",
        "what Swift has rerun: tests/swift",
    ),
    LeftOut(r"scripts/lib/fieldtypes\.lua", r"", "keys of the wrong type: tests/faults"),
    LeftOut(
        r"scripts/lib/claims\.lua", r"not number\(score\)", "a claim that nobody of ours has written: tests/faults"
    ),
    LeftOut(
        r"scripts/",
        r"'HDEL', record_key|a removal first|remove_first",
        "a removal before all else, for a full server: tests/faults/test_full_server.py",
    ),
    LeftOut(r"jobsvalkey/valkey/routes\.py", r"", "where the server is: tests/topologies"),
    LeftOut(
        r"jobsvalkey/valkey/", r"usedforsecurity|cast\(|give_up\(", "says nothing at run time, or the text of an error"
    ),
    LeftOut(r"docs/drivers/", r"StoreUnavailable|self\._path", "where the file is"),
]

EQUIVALENT: dict[str, str] = {
    "ebd817826d20": "a request that is lost has no size that anybody could count",
    "280c75444262": "`_enter` says that the job is pending",
    "8e14accc3d4d": "a record that is forgotten is not known already: to drop it saves room",
    "c0be04f94056": "an entry whose time is over counts for nothing, and the next end of the job replaces it",
    "a924c9a47216": "the text of an error",
    "d8eb15ffa377": "the text of an error",
    "7c0f99543d9d": "both lists have an item for each job",
    "6f95cc2508d5": "all times count from the same moment, whichever it is",
    "9cd2ab8cc123": "all times count from the same moment, whichever it is",
    "3190df73711e": "the name of a step need only differ from those of others",
    "91fb5cf0c7e4": "the name of a step need only differ from those of others",
    "2c188274cbea": "in a condition `nil` is `false`",
    "62380cfd990d": "where a job is on the list of paused ones is not asked for: it is taken off by its id",
    "816001de4191": "a rough number",
    "8289d408c726": "a record counts by the end that it names; this is when the server frees its place",
    "a88027641894": "the search begins at the first letter all the same",
    "d150be858893": "the state is sent along, and the driver does not look at it",
    "cd372c7b9db8": "more requests are read than are looked at",
    "eece3a405d88": "whether nothing can be there under any of the ids is looked at once more, id by id",
    "ec20ace4b1f5": "the driver looks at each job of a page once more, and passes over what is absent",
    "40ba0e018ddb": "nobody can see what is told about a worker: the example does not show workers",
    "73bd0f9e4f7f": "the words come in pairs",
    "eb0422acd77b": "the script makes a parent a fielded job when its child is stored, if the push has not",
    "be725f14d2fa": "a name",
    "53f6ca16c285": "what a log says",
    "2717a7b93fdf": "what a log says",
    "7aecd6a99a47": "the text of an error",
    "257d994acd26": "a stream that is read twice tells of each end twice",
    "f86ae2c99df9": "an age that is no number is none",
    "a21ac36db435": "how many looks share a round trip",
    "1f92b57be4c8": "a digest of other text is as good, if it is the same each time",
    "6051f81c5851": "a digest of other text is as good, if it is the same each time",
    "d13e91c108ae": "a letter need not be put in other words in any case",
    "afde1364271b": "what is read beyond a page is not shown, and a page of no lanes has no cursor",
    "fdf4ec4248db": "the driver asks only whether it is `1`",
    "85c99ce187d1": "what is remembered until now is remembered no more",
    "722085619e29": "it is asked if a limit was set, and the letter of limits stays",
    "f63c4cdf892f": "how much one step looks at",
    "9e0934c649e2": "how much one step looks at",
    "ca4fb6a6e1c6": "a hint too many, which wakes a worker in vain",
    "5dde78d9f428": "a hint too many, which wakes a worker in vain",
    "64e6669e3d70": "a turn that comes before its job is due is put right by the next exchange either way",
    "f1f7dab0d4d8": "a microsecond after 1970 is as early as 1970",
    "f329d16c61af": "a microsecond after 1970 is as early as 1970",
    "5725d8765947": "no letter is found in an empty text either",
    "b6da66c7d3a0": "of two jobs the first one is looked at, as of one",
    "6b4528ff29fb": "a minute is the same moment in whatever zone it is told",
    "75221ec79400": "the search begins at the first letter all the same",
    "149cbe67bc5a": "a list that has as many as it may loses nothing",
    "7128a97b9113": "`recover` looks at a lane in vain",
    "432b73e9b195": "no line gives any more when there are enough",
    "deaddaf2b93d": "a shortcut: the looks that follow find the same",
    "62fd8a287fec": "what is offered is not held back, and a removal finds nothing",
    "99d5dedc5c3a": "the words come in pairs",
    "cbd1a1da9400": "lines are looked at in vain",
    "8b4359b13808": "what is told of a claim has three parts, or five and more",
    "51012f8cc2c5": "a word without special letters is found as a pattern, too",
    "fb39ba523565": "a digest of other text is as good, if it is the same each time",
    "16e764bdfa88": "what is beyond its retention is absent, trimmed or not; a later end trims it",
    "2036b9e86559": "what is beyond its retention is absent, trimmed or not; a later end trims it",
    "026e2dc9c3dd": "what Swift keeps beside a job, which is not asked for",
    "039df8be00dd": "`parent` is a table there, which has no feature",
    "1d8d1f051231": "in a queue without names, a job has none",
    "6d1993814f74": "what Swift has run: tests/swift",
    "e6fbef1d6ed1": "what is beyond its retention is absent, trimmed or not; a later end trims it",
    "f44b59c26633": "what a record names beyond the claims whose end is asked for is passed over",
    "4329d2dfb101": "what is beyond its retention is absent, trimmed or not; a later end trims it",
    "644d2228818a": "a callback is no member of its own batch",
    "fce70520e074": "a callback is no member of its own batch",
    "0a0753f74cff": "the claims have been taken from the set, and what else it names is passed over",
    "3a35261179d9": "the claims have been taken from the set, and what else it names is passed over",
    "7bca689b6925": "reports end with their job, so only a duplicate has them, and that is stored nowhere",
    "d01dc9fe0d90": "reports end with their job, so only a duplicate has them, and that is stored nowhere",
    "7eee16278877": "a job with a priority is not on this list, but on that of jobs with a line",
    "e3b928c31b34": "a job that expires is not on this list, but on that of fielded ones",
}
"""Changes that make no difference to anybody who keeps the contract, by their keys, each with the reason."""


def is_left_out(point: Point, rules: list[LeftOut] = RULES) -> bool:
    """Whether a rule leaves a change out."""
    return any(re.search(rule.path, point.path) and re.search(rule.line, point.line) for rule in rules)
