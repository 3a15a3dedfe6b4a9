"""Who is cheapest at which price of shortage: the neighbours between which break-evens are told."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.compare.choices import Judged, break_evens, caution_line

MONEY = st.integers(0, 1000).map(float)
ONE = np.ones(1)


def judged(name: str, paid: float, short: float) -> Judged:
    """One future; the work that is lost costs 2 a PFLOPS-hour."""
    return Judged(name, ONE * (paid + short), ONE * short, ONE * 0, ONE * short / 2, ONE * paid, ONE * 0)


def test_neighbours_by_hand() -> None:
    """Paid 10, 12, 20, 30 and lost 20, 14, 6, 5: at factors 2/6, 8/8 and 10/1 the next one becomes the cheapest."""
    four = [judged("a", 10, 20), judged("b", 12, 14), judged("c", 20, 6), judged("d", 30, 5)]
    wasteful, between = judged("e", 25, 21), judged("f", 17, 12)
    found = break_evens([wasteful, *four[::-1], between], ONE, "growth", ONE)
    assert [(b.less, b.more) for b in found] == [("a", "b"), ("b", "c"), ("c", "d")]
    assert [b.shortage_factor for b in found] == pytest.approx([2 / 6, 1.0, 10.0])
    assert [b.shortage_per_pflops_hour for b in found] == pytest.approx([2 * 2 / 6, 2.0, 20.0])
    assert [b.today_per_pflops_hour for b in found] == pytest.approx([2.0] * 3)


def test_who_is_left_out_and_because_of_whom() -> None:
    paid, short = np.array([10.0, 12.0, 20.0, 25.0, 17.0, 10.0]), np.array([20.0, 14.0, 6.0, 21.0, 12.0, 20.0])
    line = caution_line(paid, short)
    assert line.order == (0, 1, 2)
    # 17 + 12 f is never below both 12 + 14 f and 20 + 6 f; the others pay and lose no less than the first
    assert line.because == {3: (0,), 4: (1, 2), 5: (0,)}


@settings(deadline=None)
@given(st.lists(st.tuples(MONEY, MONEY), min_size=1, max_size=9))
def test_the_line_holds_the_cheapest_at_every_price(points: list[tuple[float, float]]) -> None:
    paid, short = np.array(points).T
    line = caution_line(paid, short)
    on = list(line.order)
    assert set(on) | set(line.because) == set(range(len(points)))
    for factor in (1e-6, 0.1, 0.5, 1.0, 2.0, 10.0, 1e6):
        cost = paid + factor * short
        assert cost[on].min() <= cost.min() + 1e-6 * (1 + factor)
        for i, others in line.because.items():
            assert cost[list(others)].min() <= cost[i] + 1e-6 * (1 + factor)
    names = [judged(str(i), p, s) for i, (p, s) in enumerate(points)]
    factors = [b.shortage_factor for b in break_evens(names, ONE, "growth", ONE)]
    assert all(f > 0 for f in factors)
    assert all(a < b for a, b in itertools.pairwise(factors))
