"""Periods side by side are days in order."""

from __future__ import annotations

import itertools
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.arrays import FloatArray
from planner.case import Case
from planner.replay import HourlyDemand, UnfinishedError, replay
from planner.replay.course import dispatch_course
from planner.replay.dispatch import Day, Dispatcher
from planner.replay.paths import real_days
from planner.replay.run import _fixed, _read, dispatch_instance
from planner.verify.building import standing_capacity
from tests.planner.replay.test_replay import GANG, document, tables

PERIODS = 4


def months(values: FloatArray) -> tuple[Case, HourlyDemand]:
    """Four periods of a month from January on, and a course over them: (3, 2, days, 24)."""
    case = document()
    case["horizon"] |= {"periods": PERIODS}
    return Case.model_validate(case), HourlyDemand(date(2026, 1, 1), values)


def in_order(dispatcher: Dispatcher, places: list[tuple[int, int]]) -> tuple[list[Day], FloatArray]:
    """The rule of the replay, day after day."""
    days: list[Day] = []
    starts = []
    for i, place in enumerate(places):
        starts.append(dispatcher.state())
        day = dispatcher.day(*place)
        if days and day.shortfall.sum() > 1e-9 and days[-1].backlog[:, -1].sum() > 1e-9:
            plain = dispatcher.state()
            dispatcher.restore(starts[i - 1])
            cleared = dispatcher.day(*places[i - 1], clear=True)
            middle = dispatcher.state()
            again = dispatcher.day(*place)
            if cleared.cost + again.cost < days[-1].cost + day.cost:
                days[-1], day, starts[i] = cleared, again, middle
            else:
                dispatcher.restore(plain)
        days.append(day)
    return days, dispatcher.billed_kw


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), load=st.sampled_from([0.6, 1.0, 1.5]), threads=st.integers(1, 3))
def test_periods_side_by_side_are_days_in_order(seed: int, load: float, threads: int) -> None:
    random = np.random.default_rng(seed)
    values = load * random.uniform(0.0, 4.0, (3, 2, 120, 24)) * random.choice([0.3, 1.0, 2.0], (1, 1, 120, 1))
    values[2] = load
    case, hourly = months(values)
    demand, places = real_days(case, hourly)
    plan, facts = _read(case, demand, tables(gangs=[GANG | {"period": t} for t in range(PERIODS)]), None)
    capacity = standing_capacity(facts, plan)
    inst = dispatch_instance(case, demand, capacity.modules[0])
    fixed = _fixed(facts, plan, inst, capacity)
    found = dispatch_course(lambda: Dispatcher(inst, fixed), places, threads=threads)
    days, billed_kw = in_order(Dispatcher(inst, fixed), places)
    assert len(found.days) == len(days) == 120
    # Work left at midnight is as good as work done at the best hour, so that several courses are right: each is joined
    # without a seam, and they cost the same but for what such a choice does to a day that falls short.
    waiting = np.concatenate([[0.0], [d.backlog[1, -1] for d in found.days]])
    arrived = values[1].sum(axis=(0, 2))
    done = np.array([d.served[1].sum() + d.shortfall[1].sum() for d in found.days])
    assert waiting[:-1] + arrived - done == pytest.approx(waiting[1:], abs=1e-6)
    assert (waiting[1:] <= values[1, :, :, -5:].sum(axis=(0, 2)) + 1e-6).all()
    costs = [sum(d.cost for d in one) for one in (found.days, days)]
    assert costs[0] == pytest.approx(costs[1], rel=0.02)
    assert found.billed_kw == pytest.approx(billed_kw, rel=0.05)


def test_what_time_allows_is_whole_periods_and_nothing_is_said_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    case, hourly = months(np.full((3, 2, 120, 24), 2.0))
    told: list[tuple[int, int]] = []
    gangs = tables(gangs=[GANG | {"period": t} for t in range(PERIODS)])
    whole = replay(case, gangs, hourly, on_progress=lambda done, days: told.append((done, days)))
    assert whole.days == 120
    assert told[-1][1] == 120
    with pytest.raises(UnfinishedError):
        replay(case, gangs, hourly, seconds=0.0)
    ticks = itertools.count()  # one a day
    monkeypatch.setattr("planner.replay.course.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    part = replay(case, gangs, hourly, threads=1, seconds=45.0)
    assert part.days == 31
    assert set(part.tables["service"]["period"]) <= set(whole.tables["service"]["period"])
    first = whole.tables["days"].iloc[: part.days]
    assert part.tables["days"]["shortfall_cost"].to_numpy() == pytest.approx(first["shortfall_cost"].to_numpy())
