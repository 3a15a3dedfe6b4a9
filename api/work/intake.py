"""From a history to the outlook a case needs: mapped onto its series, brought in line with its dates, forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecasts.forecast import ForecastConfig, OutlookReport
    from forecasts.history import History
    from forecasts.history.ceilings import Ceiling
    from forecasts.outlook import Outlook
    from planner.case import Case, SeriesRule


def outlook_for(
    case: Case,
    history: History,
    *,
    rules: Sequence[SeriesRule] = (),
    ceilings: Sequence[Ceiling] = (),
    config: ForecastConfig | None = None,
) -> tuple[Outlook, OutlookReport]:
    """An outlook over the case's horizon. `rules` take the place of the case's own `history_mapping` when given;
    `ceilings` are named beside those of the rules.

    Raises HistoryError or ForecastError with every fault at once.
    """
    from forecasts.forecast import make_outlook
    from forecasts.history.mapping import outlook_weeks

    aligned = history_for(case, history, rules=rules, ceilings=ceilings)
    return make_outlook(aligned, weeks=outlook_weeks(aligned, case.horizon.end), config=config)


def history_for(
    case: Case, history: History, *, rules: Sequence[SeriesRule] = (), ceilings: Sequence[Ceiling] = ()
) -> History:
    """The history as the case's series, its dates in line with the case's. Raises HistoryError with every fault."""
    from forecasts.history.mapping import align_history

    return align_history(mapped(case, history, rules=rules, ceilings=ceilings), case.horizon.start)


def mapped(
    case: Case, history: History, *, rules: Sequence[SeriesRule] = (), ceilings: Sequence[Ceiling] = ()
) -> History:
    """The history as the case's series, at its own dates. Raises HistoryError with every fault."""
    from forecasts.history.mapping import map_history

    return map_history(
        history,
        list(rules) or case.history_mapping,
        regions=[r.id for r in case.regions],
        workloads={w.id: w.unit for w in case.workloads},
        ceilings=ceilings,
    )
