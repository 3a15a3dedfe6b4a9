"""A case set back into a history on disk, with what was known at each period's start and what came."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.cli.demand import Rules
    from forecasts.history import History
    from forecasts.outlook import Outlook
    from planner.case import Case
    from planner.demand import Demand


@dataclass
class Course:
    """case: set back. truth: what came, on typical days. filled: hours of the horizon without a value of their own.

    history: mapped onto the case's series. Forecasts are made once a period, whatever rules ask for them.
    """

    case: Case
    truth: Demand
    filled: int
    history: History
    seed: int
    _made: dict[int, Outlook] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Case, path: Path, given: Rules, start: date | None, periods: int | None, seed: int) -> Course:
        """Read, map and set back. Raises HistoryError, PlanError or UsageError with what does not fit."""
        from datetime import timedelta

        from api.work.intake import mapped
        from planner.demand.horizon import outlook_demand
        from planner.walk.hindsight import hours_that_came, measured, passed_start, set_back

        history, _quality = given.read(path, case.meta.timezone, case)
        own_series = mapped(case, history, rules=given.rules(), ceilings=given.named_ceilings())
        count = periods or case.horizon.periods
        last = own_series.index[-1]
        whole = last.date() if last.hour == 23 else last.date() - timedelta(days=1)
        own = set_back(case, start or passed_start(case, whole, count), count)
        hours, monday, filled = hours_that_came(own, own_series.index, own_series.values)
        truth = outlook_demand(own, measured(own_series.series, hours, monday, case.meta.timezone))
        return cls(own, truth, filled, own_series, seed)

    def forecast(self, period: int) -> Outlook:
        """The outlook as it was known at the start of a period."""
        from forecasts.forecast import ForecastConfig, make_outlook
        from forecasts.history.mapping import align_history, outlook_weeks

        if period not in self._made:
            known = align_history(self.history, self.case.horizon.period_start(period))
            weeks = outlook_weeks(known, self.case.horizon.end)
            config = replace(ForecastConfig(seed=self.seed), evaluation=40)
            self._made[period] = make_outlook(known, weeks=weeks, config=config)[0]
        return self._made[period]
