"""The comparison of versions: this one beside itself costs the same."""

import pytest

from tests.benchmarks.versions import HERE, MEASURES, compare


# Not used, it costs nothing.
@pytest.mark.timeout(300)
def test_a_version_costs_what_it_costs() -> None:
    found = compare(HERE, rounds=1)
    assert list(found) == list(MEASURES)
    for measure, figures in found.items():
        assert min(figures["client_us"]) > 0
        assert min(figures["server_us"]) > 0
        if MEASURES[measure][0] != MEASURES[measure][1]:
            assert figures["commands"][1] > figures["commands"][0]
            continue
        for figure in ("commands", "bytes_in", "bytes_out"):
            assert figures[figure][0] == pytest.approx(figures[figure][1], rel=0.2), figure
