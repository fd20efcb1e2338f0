# ruff: noqa: T201 - it is there to print
"""`python -m jobsvalkey_conformance MODULE:HARNESS`: hold a driver against the suite, without knowing pytest."""

import argparse
import importlib
import json
import secrets
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from textwrap import indent
from warnings import WarningMessage

import pytest

from jobsvalkey_conformance.harness import DriverHarness
from jobsvalkey_conformance.kit import ConformanceWarning
from jobsvalkey_conformance.report import Result, results_of, summary, table

TEST = """
from jobsvalkey_conformance import DriverConformance
from {module} import {name}

class TestDriver(DriverConformance):
    harness_type = {name}
"""

SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
"""
"""In place of those of the project around us, which are for its own tests."""


class Collector:
    """A pytest plugin that keeps the reports, in place of the terminal's."""

    def __init__(self) -> None:
        self.reports: dict[str, list[pytest.TestReport]] = {}
        self.warnings: list[str] = []
        self.broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not even be read."""
        if report.failed:
            self.broken.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report of a test, or of its set-up or end where that went wrong."""
        if report.when == "call" or not report.passed:
            self.reports.setdefault(report.outcome, []).append(report)

    def pytest_warning_recorded(self, warning_message: WarningMessage) -> None:
        """Keep the suite's own warnings."""
        if issubclass(warning_message.category, ConformanceWarning):
            self.warnings.append(str(warning_message.message))

    def results(self) -> list[Result]:
        """What came of every test."""
        return [result for results in results_of(self.reports).values() for result in results]


def harness_named(target: str) -> type[DriverHarness]:
    """The harness class that `MODULE:NAME` names.

    Raises:
        ValueError: there is none; the message says what is wrong.
    """
    module, _, name = target.partition(":")
    if not (module and name.isidentifier()):
        raise ValueError(f"{target!r} is not MODULE:HARNESS, such as my_driver.testing:MyHarness")
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ValueError(f"{module} cannot be imported: {error}") from error
    except AttributeError as error:
        raise ValueError(f"{module} has no {name}") from error
    if not (isinstance(found, type) and issubclass(found, DriverHarness)):
        raise ValueError(f"{target} is not a subclass of jobsvalkey_conformance.DriverHarness")
    return found


def run(target: str, *, select: str | None = None, stop: bool = False, junit: str | None = None) -> Collector:
    """Run the suite on the harness that `MODULE:NAME` names: all of it, or to the first failure where `stop` is set."""
    module, _, name = target.partition(":")
    collector = Collector()
    with tempfile.TemporaryDirectory() as directory:
        # Of a name of its own: a second run in this process must not find the module of the first.
        test, settings = Path(directory, f"test_{secrets.token_hex(4)}.py"), Path(directory, "pytest.ini")
        test.write_text(TEST.format(module=module, name=name))
        settings.write_text(SETTINGS)
        arguments = [str(test), "-c", str(settings), "-p", "no:terminal", "-p", "no:cacheprovider"]
        arguments += ["--import-mode=importlib"]
        arguments += ["-k", select] if select else []
        arguments += ["-x"] if stop else []
        arguments += [f"--junit-xml={junit}"] if junit else []
        pytest.main(arguments, plugins=[collector])
    return collector


def main(arguments: list[str] | None = None) -> int:
    """Run it, and print a report; 0: the driver conforms, 1: it does not, 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m jobsvalkey_conformance", description=__doc__)
    parser.add_argument("harness", help="where the harness is: MODULE:HARNESS")
    parser.add_argument("-k", dest="select", metavar="EXPRESSION", help="only tests whose name matches, as for pytest")
    parser.add_argument("-x", dest="stop", action="store_true", help="stop at the first failure")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report as well")
    options = parser.parse_args(arguments)
    try:
        harness_named(options.harness)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    collector = run(options.harness, select=options.select, stop=options.stop, junit=options.junit)
    results = collector.results()
    failed = [result for result in results if result.outcome == "failed"]
    if options.json:
        report = {"suite": version("jobsvalkey"), "harness": options.harness, **summary(results)}
        print(json.dumps({**report, "warnings": collector.warnings, "errors": collector.broken}, indent=2))
    else:
        print(f"conformance suite {version('jobsvalkey')}: {options.harness}\n")
        for result in failed:
            print(f"FAILED {result.area}: {result.test}\n{indent(result.reason, '    ')}\n")
        print("\n".join([*collector.broken, *(f"warning: {text}" for text in collector.warnings), *table(results)]))
    return 0 if results and not failed and not collector.broken else 1


if __name__ == "__main__":
    sys.exit(main())
