"""Settings of the documentation."""

from collections.abc import Iterator
from importlib.metadata import metadata
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import toctree
from sphinx.application import Sphinx

project = "jobsvalkey"
author = "The jobsvalkey authors"
release = version = installed_version("jobsvalkey")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"jobsvalkey {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# Types are written out in full in the signatures; the short name reads better.
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True


def setup(app: Sphinx) -> None:
    """Write `llms.txt` beside the pages."""
    app.connect("build-finished", write_llms)


def write_llms(app: Sphinx, error: Exception | None) -> None:
    """List all pages with their first sentences, for programs that read: <https://llmstxt.org>."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "llms.txt").write_text("\n".join(_lines(app)) + "\n", encoding="utf-8")


def _lines(app: Sphinx) -> Iterator[str]:
    yield f"# {project}\n\n> {metadata(project)['summary']}"
    for tree in app.env.get_doctree("index").findall(toctree):
        yield f"\n## {tree['caption']}\n"
        for _, page in tree["entries"]:
            paragraph = next(app.env.get_doctree(page).findall(nodes.paragraph), nodes.paragraph())
            begins = " ".join(paragraph.astext().split()).partition(". ")[0].rstrip(".:")
            link = f"- [{app.env.titles[page].astext()}]({app.builder.get_target_uri(page)})"
            yield f"{link}: {begins}." if begins else link
