"""Holidays and make-up working days, and what they do to demand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasts.calendar.calendar import (
    HOLIDAY,
    MAKEUP,
    WEEKEND,
    WORKDAY,
    CalendarError,
    SpecialDays,
    learn_effects,
    special_days,
)


def at(days: SpecialDays, day: date) -> tuple[int, str, bool]:
    i = (day - days.start).days
    return int(days.kind[i]), days.label[i], bool(days.estimated[i])


def test_announced_chinese_days_are_as_the_state_council_says() -> None:
    """Days off and make-up days of Spring Festival 2026: off 15 to 23 February, worked 14 and 28 February."""
    days = special_days(date(2026, 1, 1), 365)
    for day in range(15, 24):
        assert at(days, date(2026, 2, day))[0] == HOLIDAY
    for day in (14, 28):
        assert at(days, date(2026, 2, day))[0] == MAKEUP
    assert at(days, date(2026, 2, 17)) == (HOLIDAY, "Chinese New Year (Spring Festival) +0", False)
    assert at(days, date(2026, 2, 24))[0] == WORKDAY
    assert at(days, date(2026, 3, 1))[0] == WEEKEND
    assert days.notes() == ()


def test_years_beyond_the_announcement_are_estimated_and_flagged() -> None:
    days = special_days(date(2028, 1, 1), 366)
    spring = [at(days, date(2028, 1, 25) + timedelta(days=k)) for k in range(8)]
    assert {kind for kind, _, _ in spring} == {HOLIDAY}
    assert all(flag for _, _, flag in spring)
    assert spring[1][1] == "Chinese New Year (Spring Festival) +0"
    off_by_block = 0
    for first, length, law in ((date(2028, 1, 25), 8, 4), (date(2028, 5, 1), 5, 2), (date(2028, 10, 1), 8, 4)):
        off_by_block += sum((first + timedelta(days=k)).weekday() < 5 for k in range(length)) - law
    worked = np.flatnonzero(days.kind == MAKEUP).tolist()
    assert len(worked) >= off_by_block > 0
    assert all((days.start + timedelta(days=i)).weekday() >= 5 for i in worked)
    assert "2028" in days.notes()[0]
    assert "estimated" in days.notes()[0]


def test_other_countries_have_holidays_but_no_estimates() -> None:
    days = special_days(date(2030, 12, 20), 14, "NZ", "AUK")
    assert at(days, date(2030, 12, 25)) == (HOLIDAY, "Christmas Day +0", False)
    with pytest.raises(CalendarError, match="XX"):
        special_days(date(2026, 1, 1), 10, "XX")


def test_a_planted_effect_is_learnt_and_lands_on_next_years_days() -> None:
    start, hours = pd.Timestamp("2024-06-03"), 24 * 7 * 50
    index = pd.date_range(start, periods=hours, freq="h")
    days = special_days(start.date(), 24 * 40)
    wave = 10 + 3 * np.sin(2 * np.pi * np.asarray(index.hour) / 24)
    values = np.stack([wave, 5 * wave])
    spring = np.array([label.startswith("Chinese New Year") for label in days.label[: hours // 24]]).repeat(24)
    values[:, spring] *= 0.5
    effects = learn_effects(values, index, days)
    assert effects.ratio["Chinese New Year (Spring Festival) +0"] == pytest.approx(0.5, abs=0.1)
    assert effects.ratio["National Day +1"] == pytest.approx(1.0, abs=0.02)
    ahead = (date(2026, 2, 17) - start.date()).days
    factors = effects.factors(ahead, 20)
    assert factors.shape == (2, 480)
    assert factors[:, 5] == pytest.approx(0.5, abs=0.1)
    assert factors[:, -1] == pytest.approx(1.0)


def test_a_holiday_never_seen_has_no_effect() -> None:
    index = pd.date_range("2026-03-02", periods=200, freq="h")
    effects = learn_effects(np.ones((3, 200)), index, special_days(date(2026, 3, 2), 100))
    assert (effects.factors(0, 90) == 1).all()
