"""Text for a terminal: whatever it holds, it moves no cursor, changes no colour and forges no line."""

import logging


def shown(text: str) -> str:
    r"""Return the text with everything that is not printable escaped, line breaks included: `\x1b`, `\n`, `\u202e`.

    Not printable are control characters of both blocks, marks that change the direction of writing, and what is no
    character at all, such as a byte of a file's name that is not UTF-8.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def shown_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback: as `shown`, but with its line breaks."""
    return "\n".join(shown(line) for line in text.expandtabs(4).split("\n"))


def shown_json(document: str) -> str:
    """Return a JSON document with everything that is not printable escaped as JSON does it."""
    if document.replace("\n", "").isprintable():
        return document
    return "".join(each if each == "\n" or each.isprintable() else _json_escaped(each) for each in document)


class TerminalFormatter(logging.Formatter):
    """Formats a log record so that it is safe for a terminal; its second and later lines are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        return shown_lines(super().format(record)).replace("\n", "\n    ")


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    # A character beyond the first plane is two escapes, one for each half.
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
