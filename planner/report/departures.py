"""What leaves the fleet early, by date, under headings in the reader's language (table departures)."""

from __future__ import annotations

import pandas as pd

from planner.report.figures.chart import View


def departures_table(view: View) -> pd.DataFrame:
    """Earliest first: date, site, type, modules, what becomes of them, power freed, price; by future where late."""
    words, table = view.words, view.tables["departures"]
    table = table.sort_values(["period", "branch"], kind="stable")
    divisor, unit = words.money_unit(float(table["price"].abs().max()) if len(table) else 0.0, view.currency)
    fates = []
    for row in table.to_dict("records"):
        if not row["to_site"]:
            fates.append(words("leave.fate.retired"))
            continue
        back = view.periods[int(row["in_service_period"])]
        fates.append(words("leave.fate.moved", site=view.name("site", row["to_site"]), period=back))
    out = pd.DataFrame(
        {
            words("leave.date"): [str(day)[:10] for day in table["date"]],
            words("site"): [view.name("site", s) for s in table["site"]],
            words("module_type"): [view.name("module_type", k) for k in table["module_type"]],
            words("modules"): table["modules"].to_numpy(),
            words("leave.fate"): fates,
            words.labelled(words("leave.freed"), "MW"): table["freed_mw"].to_numpy(float),
            words.labelled(words("leave.price"), unit): table["price"].to_numpy(float) / divisor,
        }
    )
    if (table["branch"] >= 0).any():
        out[words("future")] = [words("all_futures") if b < 0 else str(b + 1) for b in table["branch"]]
    return out


def departures_lines(view: View) -> list[str]:
    """How many modules are retired and how many moved, the first of them when, and what that comes to."""
    words, out = view.words, []
    for key, retired in (("answer.retired", True), ("answer.moved", False)):
        own = view.tables["departures"]
        own = own[(own["to_site"] == "") == retired]
        if own.empty:
            continue
        weight = view.weight(own)
        late = ".by_future" if (own["branch"] >= 0).any() else ""
        out.append(
            words(
                key + late,
                modules=words.number(float((own["modules"].to_numpy(float) * weight).sum())),
                date=str(own["date"].min())[:10],
                cost=words.money(float((own["price"].to_numpy(float) * weight).sum()), view.currency),
            )
        )
    return out
