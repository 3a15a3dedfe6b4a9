"""Medians over a few arrays with holes, against numpy's own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from forecasts.history.ceilings import BLOCK, _looks_like, looks_like_ceilings
from forecasts.history.medians import known_median


@pytest.mark.parametrize("count", [1, 4, 5, 8])
def test_the_median_of_what_is_known_is_numpys(count: int) -> None:
    rng = np.random.default_rng(count)
    stack = np.where(rng.random((count, 40, 7)) < 0.4, np.nan, rng.integers(0, 9, (count, 40, 7)).astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wanted = np.nanmedian(stack, axis=0)
    assert np.allclose(known_median(list(stack)), wanted, rtol=0, atol=0, equal_nan=True)
    few = np.isfinite(stack).sum(axis=0) < 3
    assert np.isnan(known_median(list(stack), least=3)[few]).all()


def test_blocks_passed_over_hold_no_ceiling() -> None:
    rng = np.random.default_rng(3)
    hours = np.arange(3 * BLOCK + 100)
    tide = 10 * (1 + 0.5 * np.sin(2 * np.pi * hours / 24)) * np.exp(rng.normal(0, 0.1, (6, len(hours))))
    tide[1:4] = np.minimum(tide[1:4], np.array([[9.0], [12.0], [15.5]]))
    tide[4] = np.minimum(np.round(tide[4]), 12)
    tide[5, :600] = np.nan
    found = looks_like_ceilings(tide)
    for row, one in zip(tide, found, strict=True):
        whole = _looks_like(row, np.ones(-(-len(hours) // BLOCK), dtype=bool))
        assert (one is None) == (whole is None)
        if one is not None and whole is not None:
            assert (one.hours == whole.hours).all()
            assert one.level == whole.level
    assert {one is None for one in found} == {True, False}
