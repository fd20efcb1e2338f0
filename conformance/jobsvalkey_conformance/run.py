"""A run of the suite in a pytest of its own, for one harness."""

import importlib
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from warnings import WarningMessage

import pytest

# Nothing of the kit that asserts, and nothing of the user's: pytest must be there first, for assertions to show values.
from jobsvalkey_conformance.harness import DriverHarness
from jobsvalkey_conformance.report import Result, results_of

TEST = """
{imports}

class TestDriver({parts}):
    harness_type = {harness}
"""
WHOLE = "jobsvalkey_conformance:DriverConformance"

SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
"""
"""In place of those of the project around us, which are for its own tests."""

PLUGINS = ("pytest_asyncio.plugin", "_hypothesis_pytestplugin", "jobsvalkey_conformance.plugin")
"""The plugins of the run. Others that are installed are for other runs, and to load them takes a second."""


class Collector:
    """A pytest plugin that checks what is asked for, and keeps the reports, in place of the terminal's."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.ended: int = pytest.ExitCode.INTERNAL_ERROR
        """How pytest says that the run has ended."""
        self.reports: dict[str, list[pytest.TestReport]] = {}
        self.warnings: list[str] = []
        self.broken: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Refuse to begin without a harness."""
        check_harness(self.target)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not even be read."""
        if report.failed:
            self.broken.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report of a test, or of its set-up or end if that went wrong."""
        if report.when == "call" or not report.passed:
            self.reports.setdefault(report.outcome, []).append(report)

    def pytest_warning_recorded(self, warning_message: WarningMessage) -> None:
        """Keep the suite's own warnings."""
        from jobsvalkey_conformance.context import ConformanceWarning

        if issubclass(warning_message.category, ConformanceWarning):
            self.warnings.append(str(warning_message.message))

    def results(self) -> list[Result]:
        """The result of every test."""
        return [result for results in results_of(self.reports).values() for result in results]


def check_harness(target: str) -> None:
    """Import what `MODULE:NAME` names.

    Raises:
        pytest.UsageError: it is no harness; the message, a line, says why not.
    """
    module, _, name = target.partition(":")
    if not (module and name.isidentifier()):
        raise pytest.UsageError(f"{target!r} is not MODULE:HARNESS, such as my_driver.testing:MyHarness")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        # Whatever a module of somebody else's raises.
        message = " ".join(str(error).split())
        raise pytest.UsageError(f"{module} cannot be imported: {type(error).__name__}: {message}") from error
    if found is None:
        raise pytest.UsageError(f"{module} has no {name}")
    if not (isinstance(found, type) and issubclass(found, DriverHarness)):
        raise pytest.UsageError(f"{target} is not a subclass of jobsvalkey_conformance.DriverHarness")


def run(
    target: str,
    *,
    parts: Sequence[str] = (WHOLE,),
    select: str | None = None,
    stop: bool = False,
    junit: str | None = None,
) -> Collector:
    """Run the suite on the harness that `MODULE:NAME` names: all of it, or to the first failure if `stop` is set.

    Areas of it, each as `MODULE:CLASS` in `parts`, are collected ten times as fast as all of them, of which `select`
    leaves one. Pytest says on stderr what it was asked that cannot be done.
    """
    collector = Collector(target)
    imports = ["from {0} import {2}".format(*each.partition(":")) for each in (target, *parts)]
    names = [each.partition(":")[2] for each in (target, *parts)]
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTEST_ADDOPTS", raising=False)
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        # Of a name of its own: a second run in this process must not find the module of the first.
        test, settings = Path(directory, f"test_{secrets.token_hex(4)}.py"), Path(directory, "pytest.ini")
        test.write_text(TEST.format(imports="\n".join(imports), parts=", ".join(names[1:]), harness=names[0]))
        settings.write_text(SETTINGS)
        arguments = [str(test), "-c", str(settings), "-p", "no:terminal", "-p", "no:cacheprovider"]
        arguments += ["--import-mode=importlib", *(f"-p{plugin}" for plugin in PLUGINS)]
        arguments += ["-k", select] if select else []
        arguments += ["-x"] if stop else []
        arguments += [f"--junit-xml={junit}"] if junit else []
        collector.ended = pytest.main(arguments, plugins=[collector])
    return collector
