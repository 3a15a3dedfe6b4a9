"""The bundled examples: sound, sourced to the last number, and on demand that is labelled as generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasts.generate import CHAT, CODING, NATIONAL_MEAN_PFLOPS, PROVINCES, Tide, generated_history, national_history
from forecasts.history import read_history
from planner.case import Case, WorkloadKind
from planner.case.checks import warnings
from planner.case.file import dump_case, read_case
from planner.case.network import allowed_pairs, latency_ms
from planner.case.sources import unsourced

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def national() -> Case:
    return read_case(EXAMPLES / "national" / "case.yaml")


@pytest.fixture(scope="module")
def tiny() -> Case:
    return read_case(EXAMPLES / "tiny" / "case.yaml")


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return national_history()


def test_only_the_stated_warnings(national: Case, tiny: Case) -> None:
    assert warnings(tiny) == []
    assert sorted(w.kind for w in warnings(national)) == ["stale_source", "tariff_ended"]


@pytest.mark.parametrize("name", ["tiny", "national"])
def test_every_number_has_a_source(name: str) -> None:
    case = read_case(EXAMPLES / name / "case.yaml")
    assert unsourced(dump_case(case), case.meta.sources) == []
    assert all(source.source and source.date for source in case.meta.sources)
    assert case.meta.generated_demand


def test_the_size_that_the_programme_has(national: Case) -> None:
    assert len(national.regions) == 31
    assert len(national.sites) >= 13
    assert len([s for s in national.sites if s.hub]) >= 10
    assert {w.kind for w in national.workloads} == set(WorkloadKind)
    assert len(national.workloads) >= 5
    assert sorted({t.domestic for t in national.module_types}) == [False, True]
    assert len(national.module_types) >= 6
    assert max(c.gang_cards for c in national.campaigns) == 10_000
    assert national.horizon.periods == 8


def test_far_sites_are_out_of_reach_for_coding_work(national: Case) -> None:
    pairs, latency = allowed_pairs(national), latency_ms(national)
    w = [x.id for x in national.workloads].index("coding")
    r = [x.id for x in national.regions].index("guangdong")
    open_to = {s.id for i, s in enumerate(national.sites) if pairs[w, r, i]}
    assert {"shaoguan", "nanning", "guian"} <= open_to
    assert not {"zhongwei", "horinger", "beijing"} & open_to
    assert np.isfinite(latency).all()
    assert pairs.any(axis=2).all()


def test_the_histories_name_what_the_cases_name(national: Case, tiny: Case, year: pd.DataFrame) -> None:
    assert set(year["region"]) == {r.id for r in national.regions} == set(PROVINCES)
    assert set(year["workload"]) == {w.id for w in national.workloads} == set(NATIONAL_MEAN_PFLOPS)
    history, _ = read_history(EXAMPLES / "tiny" / "history.csv")
    assert {k.region for k in history.series} == {r.id for r in tiny.regions}
    assert {k.workload for k in history.series} == {w.id for w in tiny.workloads}
    assert not np.isnan(history.values).any()


def test_the_committed_history_is_what_the_generator_gives() -> None:
    from forecasts.generate import tiny_history

    committed = pd.read_csv(EXAMPLES / "tiny" / "history.csv", parse_dates=["timestamp"])
    pd.testing.assert_frame_equal(committed, tiny_history().round({"value": 4}), check_exact=False, atol=1e-4)


def test_the_generated_year_has_the_published_tides(year: pd.DataFrame) -> None:
    total = year.pivot_table(index="timestamp", columns="workload", values="value", aggfunc="sum")
    assert len(total) == 8760
    assert (total > 0).all().all()
    workdays = total[total.index.dayofweek < 5]
    day = workdays.groupby(workdays.index.normalize())
    peak_to_mean, peak_to_valley = (day.max() / day.mean()).median(), (day.max() / day.min()).median()
    assert peak_to_mean["chat"] == pytest.approx(1.54, abs=0.08)  # ServeGen m-small, median of days
    assert peak_to_valley["chat"] == pytest.approx(2.79, abs=0.2)
    assert 8 <= peak_to_valley["coding"] <= 12
    assert peak_to_mean["coding"] == pytest.approx(2.2, abs=0.15)
    assert peak_to_valley["training"] < 1.1
    weekend = total[total.index.dayofweek >= 5].mean() / workdays.mean()
    assert 0.25 <= weekend["coding"] <= 0.5
    assert weekend["chat"] == pytest.approx(1.0, abs=0.03)
    festival, before = total["2026-02-17":"2026-02-21"].mean(), total["2026-01-12":"2026-01-30"].mean()
    assert festival["coding"] < 0.6 * before["coding"]
    assert festival["chat"] < before["chat"]


def test_the_same_seed_gives_the_same_year_and_another_seed_another() -> None:
    index = pd.date_range("2026-06-01", periods=24 * 14, freq="h")
    levels = {"chat": {"a": 2.0, "b": 3.0}, "coding": {"a": 1.0}}
    tides: dict[str, Tide] = {"chat": CHAT, "coding": CODING}
    one = generated_history(index, levels, tides, 5)
    pd.testing.assert_frame_equal(one, generated_history(index, levels, tides, 5))
    assert not np.allclose(one["value"], generated_history(index, levels, tides, 6)["value"])
    alone = generated_history(index, {"chat": {"b": 3.0}}, tides, 5)["value"].to_numpy()
    assert (one.query("region == 'b'")["value"].to_numpy() == alone).all()


def test_regions_move_together(year: pd.DataFrame) -> None:
    chat = year[year["workload"] == "chat"].pivot_table(index="timestamp", columns="region", values="value")
    daily = np.log(chat.resample("D").mean()).diff(7).dropna()
    correlation = np.corrcoef(daily.to_numpy().T)
    off = correlation[~np.eye(len(correlation), dtype=bool)]
    assert 0.15 < off.mean() < 0.9
