"""Whose special days count for a history: the outlook and every back-test ask here, so that they answer alike."""

from __future__ import annotations

import pandas as pd

from forecasts.calendar.calendar import CalendarError, country_of_zone, own_calendar, special_days
from forecasts.outlook import FloatArray
from forecasts.words.note import Note, note

AUTO = "auto"


def foreseen_country(
    values: FloatArray, index: pd.DatetimeIndex, timezone: str, country: str | None, subdivision: str | None
) -> tuple[str | None, list[Note]]:
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
        return None, [note("days.no_calendar", zone=timezone)]
    own = own_calendar(values, index, days)
    if own is None:
        return None, [note("days.too_few", country=found)]
    if not own:
        return None, [note("days.unknown_to_demand", country=found)]
    return found, [note("days.foreseen", country=found, zone=timezone)]
