"""Text that cannot be kept: NUL, which PostgreSQL does not take, and halves of surrogate pairs, which no UTF-8 holds.

SQLite would take both; a request gets the same answer on both databases.
"""

from __future__ import annotations

import re
from typing import Any

from api.jobs.problems import ProblemError, count_of, fault_json, pointer

_UNSAYABLE = re.compile("[\x00\ud800-\udfff]")


def text_faults(value: Any, *place: str | int) -> list[dict[str, Any]]:
    """Every text of a JSON value, keys included, that cannot be kept."""
    if isinstance(value, str):
        found = _UNSAYABLE.search(value)
        if found is None:
            return []
        return [fault_json(pointer(place), f"U+{ord(found.group()):04X}", "text without NUL and lone surrogates")]
    if isinstance(value, dict):
        out = []
        for key, item in value.items():
            name = _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", str(key))
            out += [] if name == str(key) else text_faults(key, *place, name)
            out += text_faults(item, *place, name)
        return out
    if isinstance(value, list):
        return [fault for i, item in enumerate(value) for fault in text_faults(item, *place, i)]
    return []


def refuse_unsayable(value: Any, kind: str = "invalid-request") -> None:
    """Raises ProblemError with every text that cannot be kept."""
    errors = text_faults(value)
    if errors:
        raise ProblemError(kind, count_of(errors), errors=errors)
