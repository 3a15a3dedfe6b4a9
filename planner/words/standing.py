"""Where a plan stands in signing, in words and above every printed sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.words.wording import Wording


def stands(standing: Mapping[str, str] | None, words: Wording) -> tuple[str, str]:
    """Where a plan stands in signing: a sentence, and a few words that stand above every sheet.

    standing: state ("draft", "proposed", "approved", …, "changed") and, unless it is a draft, scope, by, on and content
    (of the hash its first digits); None: nothing is said.
    """
    if standing is None:
        return "", ""
    key = f"standing.{standing['state']}"
    told = {**standing, "by": standing.get("by") or words("standing.without_key")}
    return words(key, **told), words(f"{key}.short", **told)


def standing_rule(short: str) -> str:
    """The rule of a style sheet that prints where a plan stands in the middle above every sheet."""
    return f"@page{{@top-center{{content:{quoted(short)};font:bold 8pt sans-serif;color:#111}}}}" if short else ""


def quoted(text: str) -> str:
    """A string of a style sheet: everything but ASCII letters and digits by its number."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):06x}" for c in text) + '"'
