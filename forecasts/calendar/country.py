"""Whose special days count for a history: the outlook and every back-test ask here, so that they answer alike."""

from __future__ import annotations

import pandas as pd

from forecasts.calendar.calendar import CalendarError, country_of_zone, own_calendar, special_days
from forecasts.outlook import FloatArray

AUTO = "auto"


def foreseen_country(
    values: FloatArray, index: pd.DatetimeIndex, timezone: str, country: str | None, subdivision: str | None
) -> tuple[str | None, list[str]]:
    """The country whose special days are foreseen, and a sentence on it.

    values: (series, hours) at `index`, local time in `timezone`. country: a name is taken at its word and None foresees
    none; "auto" is the country of the time zone, if demand is seen to know its special days.
    """
    if country != AUTO:
        return country, []
    found = country_of_zone(timezone)
    if found is None:
        return None, []
    first, last = index[0].date(), index[-1].date()
    try:
        days = special_days(first, (last - first).days + 1, found, subdivision)
    except CalendarError:
        return None, [f"Special days: no calendar is known for the time zone {timezone}."]
    own = own_calendar(values, index, days)
    if own is None:
        return None, [f"Special days of {found}: too few lie in the history to learn from; none are foreseen."]
    if not own:
        return None, [f"Special days of {found}: demand does not know them; none are foreseen."]
    return found, [f"Special days of {found} (time zone {timezone}) are foreseen as they were in the past."]
