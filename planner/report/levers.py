"""What a reader may move on a plan's page, with the values that the case has there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from planner.report.figures.chart import View


def lever_values(view: View) -> dict[str, Any]:
    """Texts in the reader's language, "" for what the case does not have. sites, workloads: id, name and text of each.

    futures: how many the plan was made for; with one alone there is no risk to weigh.
    """
    case, words = view.case, view.words
    currency = case.meta.currency

    def span(values: Iterable[float], unit: str = "", money: bool = False) -> str:
        known = list(values)
        ends = dict.fromkeys(words.money(v, currency) if money else words.number(v) for v in (min(known), max(known)))
        return " – ".join(ends) + (f" {unit}" if unit else "")

    lead = [float(k.lead_periods) for k in case.module_types]
    energy = [price for tariff in case.tariffs for price in tariff.prices_per_kwh.values()]
    budget = [money for money in _each(case.policy.budget) if money is not None]
    return {
        "workloads": [{"id": w.id, "name": words.name(w.names), "unit": w.unit} for w in case.workloads],
        "sites": [{"id": s.id, "name": words.name(s.names), "text": span(_each(s.power_mw), "MW")} for s in case.sites],
        "price": span((p for k in case.module_types for p in _each(k.capex)), money=True) if case.module_types else "",
        "tariff": span(energy, f"{currency}/kWh") if energy else "",
        "lead": span(lead) if lead else "",
        "budget": span(budget, money=True) if budget else "",
        "futures": len(view.probability),
    }


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
