"""Names of series against patterns: `*` and `?` stand for other characters, everything else for itself."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(p, re.escape(p)) for p in parts), re.DOTALL)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern is the name or stands for it. Brackets mean themselves: names such as `gpu[0]` have them."""
    return name == pattern or _compiled(pattern).fullmatch(name) is not None
