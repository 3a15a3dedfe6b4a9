"""Keyset pages: newest first, each page starts after a cursor, so that new rows neither repeat nor hide old ones."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, tuple_

Row = Mapping[str, Any]
_ID = re.compile(r"[a-z]+_[0-9a-f]{1,40}")


class CursorError(ValueError):
    """A cursor that no page of ours handed out."""


@dataclass(frozen=True)
class Page:
    """Rows and the cursor of the next page (None: this is the last)."""

    rows: list[Row]
    next: str | None


def encode(created_ms: int, id: str) -> str:
    """The cursor of a row."""
    return base64.urlsafe_b64encode(f"{created_ms}.{id}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[int, str]:
    """Raises CursorError."""
    try:
        text = base64.b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii"), b"-_", validate=True).decode(
            "ascii"
        )
        created, _, id = text.partition(".")
        if not _ID.fullmatch(id) or not created.isascii() or not created.isdigit() or len(created) > 15:
            raise ValueError(text)
        return int(created), id
    except (ValueError, binascii.Error, UnicodeError) as fault:
        raise CursorError(cursor) from fault


def newest_first(connection: Connection, query: Select[Any], table: Table, after: str | None, limit: int) -> Page:
    """One page of a query over `table`, which has `created_ms` and `id`. Raises CursorError."""
    if after is not None:
        created_ms, id = decode(after)
        query = query.where(tuple_(table.c.created_ms, table.c.id) < tuple_(created_ms, id))
    query = query.order_by(table.c.created_ms.desc(), table.c.id.desc()).limit(limit + 1)
    rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, encode(rows[-1]["created_ms"], rows[-1]["id"]) if more else None)
