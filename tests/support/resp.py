"""Where one message ends and the next begins, in RESP2 and RESP3."""

from asyncio import StreamReader


async def read_request(reader: StreamReader) -> tuple[bytes, tuple[bytes, ...]]:
    """One command, as it came and as its words."""
    head = await reader.readuntil(b"\r\n")
    if not head.startswith(b"*"):
        raise ValueError(f"only arrays of strings are understood as commands, not {head!r}")
    raw, words = [head], list[bytes]()
    for _ in range(int(head[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        raw += (size, word)
        words.append(word[:-2])
    return b"".join(raw), tuple(words)


async def read_reply(reader: StreamReader) -> bytes:
    """One reply, or one push message, as it came."""
    raw = list[bytes]()
    left = 1
    while left:
        head = await reader.readuntil(b"\r\n")
        raw.append(head)
        kind, left = head[:1], left - 1
        if kind in b"$=!" and (size := int(head[1:])) >= 0:
            raw.append(await reader.readexactly(size + 2))
        elif kind in b"*~>":
            left += max(int(head[1:]), 0)
        elif kind == b"%":
            left += 2 * int(head[1:])
        elif kind == b"|":
            left += 2 * int(head[1:]) + 1
    return b"".join(raw)
