"""Where a driver's connections lead, told from the client."""

import pytest
from valkey.exceptions import ResponseError

from jobsvalkey.valkey.clients import client_from_url
from jobsvalkey.valkey.routes import route_to


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://me:secret@host:7000/3", "valkey://host:7000/3"),
        ("valkeys://host", "valkeys://host:6379/0"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("valkey+cluster://me:secret@127.0.0.1:7000,[::1]:7001", "valkey+cluster://127.0.0.1:7000,[::1]:7001"),
        ("valkeys+cluster://host", "valkeys+cluster://host:6379"),
        ("valkey+sentinel://me:secret@a:7000,b/my-master/3", "valkey+sentinel://a:7000,b:26379/my-master/3"),
        ("valkeys+sentinel://a/my%20master", "valkeys+sentinel://a:26379/my master/0"),
    ],
)
def test_an_address_has_no_login(url: str, address: str) -> None:
    assert route_to(client_from_url(url), "{q}").address == address


@pytest.mark.parametrize("url", ["valkey://host", "valkey+sentinel://host/my-master", "valkey+cluster://host"])
def test_the_read_timeout_is_the_clients(url: str) -> None:
    assert route_to(client_from_url(f"{url}?socket_timeout=0.25"), "{q}").read_timeout == 0.25
    assert route_to(client_from_url(url), "{q}").read_timeout == 5.0


def test_only_a_cluster_moves() -> None:
    moved = ResponseError("MOVED 5061 10.0.0.7:7000")
    assert route_to(client_from_url("valkey+cluster://host"), "{q}").moved(moved)
    assert not route_to(client_from_url("valkey://host"), "{q}").moved(moved)
    for passing in ("ASK 5061 10.0.0.7:7000", "TRYAGAIN later", "CLUSTERDOWN not served"):
        assert not route_to(client_from_url("valkey+cluster://host"), "{q}").moved(ResponseError(passing))


def test_a_cluster_has_one_database() -> None:
    assert route_to(client_from_url("valkey+cluster://host/0"), "{q}")
    with pytest.raises(ValueError, match="no database but 0"):
        client_from_url("valkey+cluster://host/3")
