"""The aims on measured points, where the table is there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
DATA = next(
    (p / "shared/measurements/llm_serving.csv.gz" for p in ROOT.parents if (p / "shared").is_dir()), Path("none")
)
pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.exists(), reason="no measured points here")]


@pytest.fixture(scope="module")
def bench() -> Any:
    spec = importlib.util.spec_from_file_location("bench_sizing", ROOT / "benchmarks" / "sizing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_sizing"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(bench: Any) -> Any:
    from planner.sizing import open_library
    from planner.sizing.points import distinct, read_points

    points, refused = read_points(DATA, open_library())
    assert len(points) == 2997
    assert not [r for r in refused if "model" in r.found and "known" in r.found]
    return bench.table_of(distinct(points))


def test_the_shipped_facts_give_these_points(bench: Any, table: Any) -> None:
    from planner.sizing.facts import fitted

    tokens, _, _ = bench.ratios(table, fitted().facts)
    assert np.median(np.abs(tokens - 1)) < 0.12
    cards = np.array([g[0] for g in table.group("card")])
    for card in ("h100", "h200", "b200", "b300"):
        assert abs(np.median(tokens[cards == card]) - 1) < 0.1


def test_where_memory_is_counted_full_the_measured_requests_wait(table: Any) -> None:
    """Rows beyond the counted room show it: their first tokens are late by whole service times."""
    full = table.wanted > 1.5 * table.room
    half = table.wanted < 0.7 * table.room
    service = table.tpot * np.array([p.load.output_tokens for p in table.points])
    assert full.sum() >= 10
    assert np.median((table.ttft / service)[full]) > 0.3
    assert np.median((table.ttft / service)[half]) < 0.1


@pytest.mark.slow
def test_the_aims_with_models_left_out_in_turn(bench: Any, table: Any) -> None:
    tokens, _, _, _ = bench.left_out(table, "model")
    off = np.abs(tokens - 1)
    assert np.median(off) <= 0.15
    assert np.quantile(off, 0.9) <= 0.40
    cards = np.array([g[0] for g in table.group("card")])
    for card in ("h100", "h200", "b200", "b300"):
        assert abs(np.median(tokens[cards == card]) - 1) <= 0.1
