"""The goals of speed: prints what `jobsvalkey bench` prints, and fails where a goal is missed."""

import pytest

from jobsvalkey.cli.benchmarks.measures import measure
from jobsvalkey.cli.commands.bench import print_lines
from tests.support.servers import ServerOptions, local_kind


@pytest.mark.timeout(600)
async def test_goals(capsys: pytest.CaptureFixture[str]) -> None:
    # A container's network would be measured with it.
    with local_kind().make(ServerOptions()) as server:
        lines = await measure(server.url, rounds=5)
    with capsys.disabled():
        print_lines(lines)
    assert [(line.name, line.value, line.ratio, line.goal) for line in lines if line.met is False] == []
