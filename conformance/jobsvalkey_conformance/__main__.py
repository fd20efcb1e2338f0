# ruff: noqa: T201 - it is there to print
"""`python -m jobsvalkey_conformance MODULE:HARNESS`: run the suite on a driver, without knowing pytest."""

import argparse
import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from textwrap import indent

NEEDED = ("pytest", "pytest_asyncio", "hypothesis")
"""The packages that come with the extra."""


def main(arguments: list[str] | None = None) -> int:
    """Run it, and print a report; 0: the driver conforms, 1: it does not, 2: the suite did not run."""
    parser = argparse.ArgumentParser(prog="python -m jobsvalkey_conformance", description=__doc__)
    parser.add_argument("harness", help="where the harness is: MODULE:HARNESS")
    parser.add_argument("-k", dest="select", metavar="EXPRESSION", help="only tests whose name matches, as for pytest")
    parser.add_argument("-x", dest="stop", action="store_true", help="stop at the first failure")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report as well")
    options = parser.parse_args(arguments)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(f"error: no {', '.join(missing)} here: pip install 'jobsvalkey[conformance]'", file=sys.stderr)
        return 2

    import pytest

    from jobsvalkey_conformance.report import left_open, summary, table
    from jobsvalkey_conformance.run import run

    collector = run(options.harness, select=options.select, stop=options.stop, junit=options.junit)
    if collector.ended == pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"error: no test of the suite matches -k {options.select!r}", file=sys.stderr)
    results = collector.results()
    if not (results or collector.broken):
        return 2
    failed = [result for result in results if result.outcome == "failed"]
    if options.json:
        report = {"suite": version("jobsvalkey"), "harness": options.harness, **summary(results)}
        print(json.dumps({**report, "warnings": collector.warnings, "errors": collector.broken}, indent=2))
    else:
        print(f"conformance suite {version('jobsvalkey')}: {options.harness}\n")
        # The names first: a driver that has just been begun fails hundreds of tests, with thousands of lines.
        print("".join(f"FAILED {result.area}: {result.test}\n" for result in failed))
        for result in failed:
            print(f"{result.area}: {result.test}\n{indent(result.reason, '    ')}\n")
            print("".join(f"    The contract: {sentence}\n" for sentence in result.broken))
        print("\n".join([*collector.broken, *(f"warning: {text}" for text in collector.warnings), *table(results)]))
        if warning := left_open(results):
            print(f"\033[31m{warning}\033[0m" if sys.stdout.isatty() else warning)
    return 0 if collector.ended == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main())
