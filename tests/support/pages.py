"""Runs the Python blocks of a page, in order, in one namespace, as a reader would who types them in."""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from markdown_it import MarkdownIt

READERS_SERVER = re.compile(r"valkey://localhost:6379(/\d+)?")
"""The server that the pages speak of; a test's own takes its place."""
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*", re.DOTALL)
"""Just before a block: it is left out, for the reason given."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int
    """Of its first line of code, counted from 1."""
    excluded: bool


def blocks(markdown: str) -> Iterator[Block]:
    """All fenced blocks of a page."""
    previous = ""
    for token in MarkdownIt().parse(markdown):
        if token.type == "fence":
            assert token.map is not None
            language, excluded = token.info.strip(), NOT_RUN.fullmatch(previous) is not None
            yield Block(language, token.content, token.map[0] + 2, excluded)
        previous = token.content if token.type == "html_block" else ""


def compiled(block: Block, path: Path, url: str) -> CodeType:
    """The block as code that speaks to the server at `url`, and whose tracebacks show lines of the page."""
    text = "\n" * (block.line - 1) + READERS_SERVER.sub(lambda _: url, block.text)
    # A block takes none of this module's __future__ imports.
    return compile(text, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def run_page(path: Path, markdown: str, url: str) -> int:
    """Run a page's Python blocks; how many it was.

    Those with an `await` at the top level share one event loop, which stands still between them; the others run
    outside it, so that they may use `asyncio.run`.
    """
    codes = [
        compiled(block, path, url) for block in blocks(markdown) if block.language == "python" and not block.excluded
    ]
    # Types are looked up in the module of a class, so the page has to be one. It is not __main__.
    module = ModuleType(f"page_{path.stem.replace('-', '_')}")
    sys.modules[module.__name__] = module
    try:
        with asyncio.Runner() as runner:
            for code in codes:
                if code.co_flags & inspect.CO_COROUTINE:
                    runner.run(eval(code, module.__dict__))  # noqa: S307
                else:
                    exec(code, module.__dict__)  # noqa: S102
    finally:
        del sys.modules[module.__name__]
    return len(codes)


def as_script(markdown: str, url: str) -> str:
    """A page's Python blocks down to the one that runs them as a program."""
    texts = _texts(markdown, url)
    (last,) = (number for number, text in enumerate(texts) if 'if __name__ == "__main__":' in text)
    return "\n".join(texts[: last + 1])


def as_test_module(markdown: str, url: str) -> str:
    """A page's Python blocks as one test module; empty where the page has no tests."""
    module = "\n".join(_texts(markdown, url))
    return module if re.search(r"^\s*(async )?def test_", module, re.MULTILINE) else ""


def _texts(markdown: str, url: str) -> list[str]:
    return [
        READERS_SERVER.sub(lambda _: url, block.text)
        for block in blocks(markdown)
        if block.language == "python" and not block.excluded
    ]
