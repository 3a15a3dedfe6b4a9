"""From a path, a stream or bytes to what is inside: unpacked within bounds, and text in whatever encoding."""

from __future__ import annotations

import codecs
import zlib
from pathlib import Path
from typing import IO

from forecasts.fault import Fault
from forecasts.words.fault import fault_of

MOST_BYTES = 512 << 20
"""Unpacked size that is read at most: a year of a thousand series, hourly, takes two thirds of it."""
_CHUNK = 1 << 20
_EMPTY = b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"
_SIGNATURES = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def name_of(source: object) -> str:
    """How faults call the source: its file's name, or "history"."""
    return Path(source).name if isinstance(source, str | Path) else "history"


def read_bytes(source: str | Path | bytes | IO[bytes], faults: list[Fault]) -> bytes | None:
    """The content of a source, unpacked when it is gzipped; None with the reason among the faults."""
    where = name_of(source)
    try:
        if isinstance(source, str | Path):
            path = Path(source)
            if path.is_file() and path.stat().st_size > MOST_BYTES:
                raise OSError(f"{path.stat().st_size} bytes")
            body = path.read_bytes()
        else:
            body = source if isinstance(source, bytes) else source.read()
        if body[:2] == b"\x1f\x8b":
            body = _gunzip(body)
    except (OSError, EOFError, zlib.error) as fault:
        faults.append(fault_of(where, "fault.unreadable_file", text=str(fault), most=MOST_BYTES))
        return None
    if not body[:4096].strip(_EMPTY) and not body.strip(_EMPTY):
        faults.append(fault_of(where, "fault.empty_file"))
        return None
    return body


def _gunzip(body: bytes) -> bytes:
    """Every member of a gzip file, at most MOST_BYTES in all. Raises zlib.error or OSError."""
    parts, size, rest = [], 0, body
    while rest[:2] == b"\x1f\x8b":
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            part = member.decompress(rest, _CHUNK)
            rest = member.unconsumed_tail if not member.eof else member.unused_data
            if not part and not rest:
                raise EOFError("a gzip file that ends too early")
            size += len(part)
            if size > MOST_BYTES:
                raise OSError(f"more than {MOST_BYTES:,} bytes once unpacked")
            parts.append(part)
        rest = rest.lstrip(b"\x00")
    return b"".join(parts)


def decoded(body: bytes, where: str, faults: list[Fault]) -> tuple[bytes, str] | None:
    """The text as UTF-8 without a signature, and the name of the encoding it came in; None with a fault."""
    for mark, encoding in _SIGNATURES:
        if body.startswith(mark):
            return _recoded(body, (encoding,), where, faults)
    if b"\x00" in body[:4096]:
        even, odd = body[0:4096:2].count(0), body[1:4096:2].count(0)
        return _recoded(body, ("utf-16-le" if odd >= even else "utf-16-be",), where, faults)
    if body.isascii():
        return body, "UTF-8"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return _recoded(body, ("gb18030", "cp1252"), where, faults)
    return body, "UTF-8"


def _recoded(body: bytes, encodings: tuple[str, ...], where: str, faults: list[Fault]) -> tuple[bytes, str] | None:
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except UnicodeError:
            continue
        if "\x00" in text or (encoding == "gb18030" and not _chinese(text)):
            continue
        name = {"utf-8-sig": "UTF-8", "gb18030": "GBK", "cp1252": "Windows-1252"}.get(encoding, encoding.upper()[:6])
        return text.encode("utf-8"), name
    faults.append(fault_of(where, "fault.no_text"))
    return None


def _chinese(text: str) -> bool:
    """Whether the characters beyond ASCII are common Chinese: European text also decodes as GBK, into rare ones."""
    foreign = [c for c in text[:200_000] if ord(c) > 127]
    return sum(_common(c) for c in foreign) >= 0.8 * len(foreign)


def _common(character: str) -> bool:
    """Whether a character is a sign or one of the 3,755 of GB 2312's first level (leading bytes A1 to D7)."""
    try:
        packed = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return len(packed) == 2 and packed[0] <= 0xD7
