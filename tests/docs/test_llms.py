"""`llms.txt` of the documentation lists its pages."""

import runpy
from pathlib import Path

from sphinx.application import Sphinx

CONFIGURATION = Path(__file__).parents[2] / "docs" / "conf.py"
INDEX = """# Index

```{toctree}
:caption: Guide
:glob:

last
a*
```

```{toctree}
:caption: Reference

api/queue
```
"""


def test_it_lists_each_page_with_its_first_sentence(tmp_path: Path) -> None:
    pages = {
        "index": INDEX,
        "last": "# The *last* one\n\nIt is `first`\nhere. Not second.\n",
        "another": "# Another\n\nEnds with a colon:\n\n- a list\n",
        "api/queue": "# Queue\n",
    }
    for name, text in pages.items():
        page = tmp_path / "docs" / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
    app = Sphinx(
        tmp_path / "docs",
        confdir=None,
        outdir=tmp_path / "html",
        doctreedir=tmp_path / "trees",
        buildername="html",
        confoverrides={"extensions": ["myst_parser"], "html_theme": "basic"},
        status=None,
        warning=None,
    )
    runpy.run_path(str(CONFIGURATION))["setup"](app)
    app.build()
    title, summary, *sections = (tmp_path / "html" / "llms.txt").read_text().split("\n\n")
    assert title == "# jobsvalkey"
    assert summary.startswith("> A job queue on Valkey for Python")
    assert sections == [
        "## Guide",
        "- [The last one](last.html): It is first here.\n- [Another](another.html): Ends with a colon.",
        "## Reference",
        "- [Queue](api/queue.html)\n",
    ]
