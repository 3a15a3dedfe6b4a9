"""What an hourly demand came to under a plan's orders: what was served and what was not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.case import Case
from planner.case.compute import pflops_per_unit
from planner.report.figures.chart import COLOURS, WARN, Chart, Part, bar, figure
from planner.words.wording import Wording

MOST_HOURS = 24 * 14
"""So many hours are shown one by one; a longer course day by day."""


def replayed(hours: pd.DataFrame, case: Case, words: Wording) -> Chart:
    """Work served and not served in installed-PFLOPS equivalents (docs/model.md §6), by hour or, of a long course, by
    day. hours: table "hours" of a replay (`planner.replay`)."""
    need = dict(zip((w.id for w in case.workloads), pflops_per_unit(case).tolist(), strict=True))
    factor = hours["workload"].map(need).to_numpy(float)
    rates = pd.DataFrame({n: hours[n].to_numpy(float) * factor for n in ("demand", "served", "shortfall")})
    whole = rates.groupby(pd.to_datetime(hours["timestamp"]).to_numpy()).sum()
    by_day = len(whole) > MOST_HOURS
    if by_day:
        whole = whole.resample("D").mean()
    label = [f"{stamp:%Y-%m-%d}" if by_day else f"{stamp:%Y-%m-%d %H:%M}" for stamp in pd.DatetimeIndex(whole.index)]
    parts = [
        Part(words("replay.served"), COLOURS[0], "", whole["served"].to_numpy(float)),
        Part(words("replay.not_served"), WARN, "/", whole["shortfall"].to_numpy(float)),
    ]
    title = words("chart.replay_days" if by_day else "chart.replay_hours")
    drawn = figure(
        title,
        [bar(part, x=label, y=part.values, hovertemplate="%{y:,.4~g} PFLOPS") for part in parts],
        y=words.labelled(words("replay.work"), "PFLOPS"),
        barmode="stack",
        bargap=0.0,
    )
    table = pd.DataFrame(
        {
            words("replay.when"): label,
            words.labelled(words("replay.asked"), "PFLOPS"): whole["demand"].to_numpy(float),
            **{words.labelled(part.name, "PFLOPS"): part.values for part in parts},
        }
    )
    return Chart("replay", title, words("chart.replay.note"), drawn, table)


def service_table(service: pd.DataFrame, case: Case, words: Wording) -> pd.DataFrame:
    """One row a workload: asked, served and not served in its unit-hours, and the share that was served.

    service: table "service" of a replay.
    """
    sums = service.groupby("workload", sort=False)[list(_COLUMNS)].sum()
    known = [w for w in case.workloads if w.id in sums.index]
    asked, served, short = (sums.loc[[w.id for w in known], name].to_numpy(float) for name in _COLUMNS)
    share = np.divide(served, asked, out=np.ones_like(served), where=asked > 0)
    return pd.DataFrame(
        {
            words("cli.workload"): [words.name(w.names) for w in known],
            words("replay.unit"): [f"{w.unit}·h" for w in known],
            words("replay.asked"): asked,
            words("replay.served"): served,
            words("replay.not_served"): short,
            words("replay.share"): [words.percent(value, 2) for value in share],
        }
    )


def sentences(tables: Mapping[str, pd.DataFrame], case: Case, words: Wording) -> list[str]:
    """What a replay came to: days, share of the work served in PFLOPS equivalents, and the cost of what was not.

    tables: "days" and "service" of a replay.
    """
    service = tables["service"]
    need = dict(zip((w.id for w in case.workloads), pflops_per_unit(case).tolist(), strict=True))
    factor = service["workload"].map(need).to_numpy(float)
    asked, served = (float(service[name].to_numpy(float) @ factor) for name in _COLUMNS[:2])
    share = words.percent(served / asked if asked > 0 else 1.0, 2)
    lost = words.money(float(service["shortfall_cost"].sum()), case.meta.currency)
    return [words("replay.answer", days=len(tables["days"]), share=share, lost=lost)]


_COLUMNS = ("demand_unit_hours", "served_unit_hours", "shortfall_unit_hours")
