"""The plan in a few figures, each with a hint of what it means."""

from __future__ import annotations

from planner.plan import Plan
from planner.report.proof import averse
from planner.words.wording import Wording


def tiles(plan: Plan, words: Wording) -> list[dict[str, str]]:
    """The plan in a few figures, each with a hint of what it means."""
    summary, currency = plan.summary, plan.case.meta.currency
    ratios = [r for r in summary["build_ahead_ratio"] if r is not None]
    worst, short = _largest_shortfall(plan)
    names = {w.id: words.name(w.names) for w in plan.case.workloads}
    bound = words.money(plan.certificate["bound"], currency, rounded="down")
    spread = f"{words.ratio(min(ratios))} – {words.ratio(max(ratios))}" if ratios else "–"
    none = "tile.shortfall.unfinished" if len(plan.tables["unfinished"]) else "tile.shortfall.none"
    hint = words(none) if short <= 1e-9 else words("tile.shortfall.hint", name=names[worst])
    proven = words("tile.gap.hint.risk" if averse(plan) else "tile.gap.hint", bound=bound)
    pue = float(summary["pue"]) if summary["energy_mwh"] > 0 else float("nan")

    def tile(key: str, value: str, hint: str) -> dict[str, str]:
        return {"label": words(f"tile.{key}"), "value": value, "hint": hint}

    return [
        tile(
            "cost", words.money(summary["cost"], currency), words("tile.cost.hint", periods=plan.case.horizon.periods)
        ),
        tile("gap", words.gap(plan.certificate["gap"]), proven),
        tile("ratio", spread, words("tile.ratio.hint")),
        tile(
            "busy",
            words.percent(summary["mean_busy"]),
            words("tile.busy.hint", peak=words.percent(summary["peak_busy"])),
        ),
        tile("shortfall", words.percent(short, 2), hint),
        tile(
            "energy",
            f"{words.number(summary['energy_mwh'] / 1000)} GWh",
            words("tile.energy.hint", pue=words.number(pue)),
        ),
        tile(
            "carbon",
            f"{words.number(summary['carbon_location_tonnes'] / 1000)} kt CO₂",
            words("tile.carbon.hint", market=words.number(summary["carbon_market_tonnes"] / 1000)),
        ),
    ]


def _largest_shortfall(plan: Plan) -> tuple[str, float]:
    """The workload of which the largest expected share is not served, and that share."""
    missing = plan.summary["shortfall_unit_hours"]
    worst = max(missing, key=lambda w: missing[w]["share"])
    return worst, float(missing[worst]["share"])
