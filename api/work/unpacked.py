"""How large an uploaded file is once unpacked, found before anything of it is kept in memory."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from api.jobs.task import WorkError

_CHUNK = 1 << 20


def refuse_large(path: Path, most_bytes: int) -> None:
    """gzip is counted while it streams, Parquet and workbooks (zip) are taken at their word, which their readers keep.

    Raises WorkError when it is more than `most_bytes`; what cannot be read is left to the reader, which says why.
    """
    with path.open("rb") as file:
        head = file.read(4)
    size = 0
    if head[:2] == b"\x1f\x8b":
        size = _streamed(path, most_bytes)
    elif head == b"PAR1":
        size = _of_parquet(path)
    elif head == b"PK\x03\x04" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as book:
            size = sum(entry.file_size for entry in book.infolist())
    if size > most_bytes:
        raise WorkError("too-large", f"found more than {most_bytes:,} bytes once unpacked; allowed: {most_bytes:,}")


def _streamed(path: Path, most_bytes: int) -> int:
    size = 0
    with path.open("rb") as file:
        member, rest = zlib.decompressobj(wbits=31), b""
        while size <= most_bytes:
            rest = rest or file.read(_CHUNK)
            if not rest:
                break
            try:
                size += len(member.decompress(rest, _CHUNK))
            except zlib.error:
                break
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = zlib.decompressobj(wbits=31)
    return size


def _of_parquet(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as papq

    try:
        about = papq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return 0
    return sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
