"""Links lead somewhere.

Sphinx checks those between the pages that it builds. Here are those of the other pages, and the addresses elsewhere: a
test has no network, so it sees only whether they are well-formed and lead to a host by https.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "conformance" / "README.md"]
OF_SPHINX = sorted((ROOT / "docs").rglob("*.md"))
HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")


def addresses(page: str) -> list[str]:
    """What the links and the images of a page lead to, outside of blocks of code."""
    text = re.sub(r"^( *)(```+).*?^\1\2 *$", "", page, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)", text) + re.findall(
        r"<([a-z][a-z0-9+.-]*:[^>\s]+)>", re.sub("`[^`]*`", "", text)
    )


def is_well_formed(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" and parts.username is None and HOST.fullmatch(parts.hostname or "") is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = [address.partition("#")[0] for address in addresses(page.read_text()) if ":" not in address]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_addresses_elsewhere_are_well_formed() -> None:
    found = [(address, page.name) for page in (*PAGES, *OF_SPHINX) for address in addresses(page.read_text())]
    elsewhere = [(address, page) for address, page in found if ":" in address]
    assert len(elsewhere) >= 10
    assert [each for each in elsewhere if not is_well_formed(each[0])] == []


@pytest.mark.parametrize(
    "address", ["http://valkey.io", "https://valkey", "https:/valkey.io", "htps://valkey.io", "https://a@valkey.io"]
)
def test_what_is_not(address: str) -> None:
    (found,) = addresses(f"See [this]({address}), and not `<http://code>`.\n\n```bash\ncurl [x](http://code)\n```\n")
    assert found == address
    assert not is_well_formed(found)
