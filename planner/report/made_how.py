"""How a result was made, as facts that a reader can do it again with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.words.wording import Wording


def made_how(provenance: Mapping[str, Any], words: Wording) -> list[tuple[str, str]]:
    """(label, value) of what a provenance says (`planner.plan.provenance`); what it does not say is left out."""
    solve = provenance.get("solve", {})
    outlook = provenance.get("outlook", {})
    history = outlook.get("history", {})
    facts: list[tuple[str, Any]] = [
        ("made", provenance.get("made")),
        ("command", provenance.get("command")),
        ("seed", solve.get("seed")),
        ("gap", None if "gap" not in solve else words.percent(float(solve["gap"]), 3)),
        ("seconds", None if "seconds" not in solve else f"{words.number(float(solve['seconds']))} s"),
        ("threads", solve.get("threads")),
        ("route", None if "route" not in solve else words.either(f"route.{solve['route']}", str(solve["route"]))),
        ("history", history.get("name")),
        ("history_hash", history.get("sha256")),
        ("forecast_seed", outlook.get("seed")),
        ("case_hash", provenance.get("case")),
        ("demand_hash", provenance.get("demand")),
        ("versions", ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items())),
    ]
    return [(words(f"made.{name}"), str(value)) for name, value in facts if value not in (None, "")]
