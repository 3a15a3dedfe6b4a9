"""What stands at the head and the foot of every printed page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.plan import Plan
    from planner.words.wording import Wording

_SHOWN = 12
"""Digits of a hash that are printed."""


def running_head(plan: Plan, words: Wording) -> str:
    """Rules of a style sheet for paper: the case and the day it was planned above, hashes and page number below.

    Every text is escaped so that neither the rule nor a style element can end in it.
    """
    made = str(plan.provenance.get("made", ""))[:10] or plan.case.meta.as_of.isoformat()
    case, demand = (str(plan.provenance.get(name, ""))[:_SHOWN] or "–" for name in ("case", "demand"))
    corners = {
        "top-left": _quoted(plan.case.meta.name),
        "top-right": _quoted(words("paper.made", date=made)),
        "bottom-left": _quoted(words("paper.hashes", case=case, demand=demand)),
        "bottom-right": f"{_quoted(words('paper.page') + ' ')} counter(page) {_quoted(' / ')} counter(pages)",
    }
    style = "font-family:sans-serif;font-size:7.5pt;color:#444"
    return f"@page{{{''.join(f'@{place}{{content:{text};{style}}}' for place, text in corners.items())}}}"


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
    return f"@page{{@top-center{{content:{_quoted(short)};font:bold 8pt sans-serif;color:#111}}}}" if short else ""


def _quoted(text: str) -> str:
    """A string of a style sheet: everything but ASCII letters and digits by its number."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):06x}" for c in text) + '"'
