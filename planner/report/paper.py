"""What stands at the head and the foot of every printed page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.words.standing import quoted

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
        "top-left": quoted(plan.case.meta.name),
        "top-right": quoted(words("paper.made", date=made)),
        "bottom-left": quoted(words("paper.hashes", case=case, demand=demand)),
        "bottom-right": f"{quoted(words('paper.page') + ' ')} counter(page) {quoted(' / ')} counter(pages)",
    }
    style = "font-family:sans-serif;font-size:7.5pt;color:#444"
    return f"@page{{{''.join(f'@{place}{{content:{text};{style}}}' for place, text in corners.items())}}}"
