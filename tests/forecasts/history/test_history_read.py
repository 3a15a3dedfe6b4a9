"""Reading histories: known answers, and every fault at once."""

from __future__ import annotations

import gzip
from datetime import datetime
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.history import HistoryError, SeriesMapping, read_history
from forecasts.history.asked import Reading
from forecasts.outlook import SeriesKey


def csv(*rows: str, head: str = "timestamp,series,value") -> bytes:
    return ("\n".join([head, *rows]) + "\n").encode()


def faults_of(body: bytes, **how: object) -> list[str]:
    with pytest.raises(HistoryError) as caught:
        read_history(body, **how)  # type: ignore[arg-type]
    return [str(fault) for fault in caught.value.faults]


def test_one_hour_is_a_history() -> None:
    history, report = read_history(csv("2026-03-01 05:00,chat,7.5"))
    assert history.series == (SeriesKey("all", "chat"),)
    assert history.values.tolist() == [[7.5]]
    assert history.index[0] == pd.Timestamp("2026-03-01 05:00")
    assert any("only 1 hour of" in text for text in report.sentences())


def test_region_workload_and_unit_columns_name_the_series() -> None:
    body = csv("2026-03-01 00:00,east,chat,3,PFLOPS", "2026-03-01 00:00,west,chat,4,PFLOPS",
               head="timestamp,region,workload,value,unit")  # fmt: skip
    history, _ = read_history(body)
    assert history.series == (SeriesKey("east", "chat", "PFLOPS"), SeriesKey("west", "chat", "PFLOPS"))
    assert history.values[:, 0].tolist() == [3, 4]


def test_gaps_negatives_and_nan_are_masked_not_zero() -> None:
    body = csv("2026-03-01 00:00,a,1", "2026-03-01 01:00,a,-5", "2026-03-01 03:00,a,NaN", "2026-03-01 04:00,a,2")
    history, report = read_history(body)
    np.testing.assert_array_equal(history.values[0], [1, np.nan, np.nan, np.nan, 2])
    assert report.series[0].negative_rows == 1
    assert report.series[0].not_a_number_rows == 1
    assert report.series[0].missing == 3


def test_repeated_rows_merge_and_conflicts_average() -> None:
    body = csv("2026-03-01 00:00,a,1", "2026-03-01 00:00,a,1", "2026-03-01 01:00,a,2", "2026-03-01 01:00,a,4")
    history, report = read_history(body)
    assert history.values[0].tolist() == [1, 3]
    assert (report.series[0].duplicate_rows, report.series[0].conflicting_rows) == (2, 1)


def test_finer_data_are_averaged_and_the_burst_is_kept() -> None:
    rows = [f"2026-03-01 {h:02d}:{m:02d},a,{100 * (h + 1) * (2 if m == 30 else 1)}" for h in range(4) for m in (0, 30)]
    history, report = read_history(csv(*rows))
    assert history.values[0].tolist() == [150, 300, 450, 600]
    assert history.burst[0] == pytest.approx(2 / 1.5)
    assert report.series[0].step_minutes == 30


def test_times_with_an_offset_become_local_time() -> None:
    history, _ = read_history(csv("2026-03-01T00:00:00Z,a,1", "2026-03-01T09:00:00+08:00,a,2"))
    assert history.index[0] == pd.Timestamp("2026-03-01 08:00")
    assert history.values[0].tolist() == [1, 2]


def test_the_end_of_summer_time_is_averaged_and_its_start_is_a_gap() -> None:
    utc = pd.date_range("2025-03-30 00:00", periods=3, freq="h", tz="UTC")
    frame = pd.DataFrame({"timestamp": utc, "series": "a", "value": [1.0, 2.0, 3.0]})
    spring, _ = read_history(frame, timezone="Europe/Berlin")
    np.testing.assert_array_equal(spring.values[0], [1, np.nan, 2, 3])
    utc = pd.date_range("2025-10-26 00:00", periods=3, freq="h", tz="UTC")
    autumn, _ = read_history(frame.assign(timestamp=utc), timezone="Europe/Berlin")
    assert autumn.values[0].tolist() == [1.5, 3]


def test_local_times_that_the_zone_skips_raise_a_doubt() -> None:
    rows = [f"2025-03-30 {h:02d}:00,a,1" for h in range(5)]
    _, report = read_history(csv(*rows), timezone="Europe/Berlin")
    assert any("time zone may be wrong" in text for text in report.warnings)
    _, report = read_history(csv(*rows), timezone="Asia/Shanghai")
    assert not report.warnings


def test_mapping_scales_adds_up_and_leaves_out() -> None:
    rows = [f"2026-03-01 0{h}:00,{name},{value}" for h in range(2) for name, value in (("x", 1), ("y", 10), ("z", 5))]
    chat = SeriesMapping("east", "chat", "PFLOPS", 2.0)
    history, report = read_history(csv(*rows), mapping={"x": chat, "y": chat})
    assert history.series == (SeriesKey("east", "chat", "PFLOPS"),)
    assert history.values[0].tolist() == [22, 22]
    assert any("left out" in text and "z" in text for text in report.warnings)


def test_parquet_gzip_streams_and_frames_read_alike(tmp_path: object) -> None:
    frame = pd.DataFrame(
        {"timestamp": pd.date_range("2026-01-01", periods=30, freq="h"), "series": "a", "value": np.arange(30.0)}
    )
    parquet = BytesIO()
    frame.to_parquet(parquet)
    parquet.seek(0)
    text = frame.to_csv(index=False).encode()
    panels = [read_history(source)[0] for source in (parquet, gzip.compress(text), BytesIO(text), frame)]
    for panel in panels:
        np.testing.assert_array_equal(panel.values, panels[0].values)
        assert panel.index.equals(panels[0].index)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ["empty file"]),
        (b"timestamp,series,value\n", ["a header without rows"]),
        (b"when,what\n1,2\n", ["missing: timestamp; value; series, or region and workload"]),
        (csv("2026-03-01 00:00,a,-1"), ["1 negative value, 0 usable hours", "no usable series"]),
        (csv("2026-03-01 00:00,a,"), ["no usable series"]),
        (csv("2026-03-01,a,1", "2026-03-02,a,1"), ["a value every 24 hours"]),
        (csv("2026-03-01 00:00,a,1", "2026-03-01T01:00Z,a,1"), ["all with an offset, or none"]),
        (csv("1926-03-01 00:00,a,1", "2026-03-01 01:00,a,1"), ["at most 40 years"]),
        (csv("2026-03-01 00:00,a,1,9"), ["row 1 with 4 cells"]),
        (b"timestamp,series,value\n2026-03-01 00:00,\x81\xff\x8d,1\n", ["no text in any encoding"]),
    ],
)
def test_bad_input_says_what_and_what_is_allowed(body: bytes, expected: list[str]) -> None:
    found = faults_of(body)
    assert len(found) == len(expected)
    for text, part in zip(found, expected, strict=True):
        assert part in text
        assert "allowed:" in text


def test_every_fault_at_once() -> None:
    body = csv("yesterday,a,1", "2026-03-01 00:00,a,much", "2026-03-01 01:00,,3")
    found = faults_of(body, timezone="Mars/Olympus")
    assert [text.split(":")[0] for text in found] == ["timezone", "timestamp", "value", "series"]
    assert "row 1 'yesterday'" in found[1]
    assert "row 2 'much'" in found[2]


def test_a_wrong_mapping_names_each_fault() -> None:
    bad = {"nobody": SeriesMapping("r", "w", "a"), "a": SeriesMapping("r", "w", "b", scale=0.0)}
    found = faults_of(csv("2026-03-01 00:00,a,1"), mapping=bad)
    assert len(found) == 3
    assert "nobody" in found[0]
    assert "scale" in found[1]
    assert "one unit" in found[2]


def test_more_rows_than_allowed_are_refused() -> None:
    assert "2 rows" in faults_of(csv("2026-03-01 00:00,a,1", "2026-03-01 01:00,a,1"), max_rows=1)[0]


def test_staleness_counts_to_as_of() -> None:
    _, report = read_history(csv("2026-03-01 00:00,a,1"), as_of=datetime(2026, 3, 3, 1))
    assert report.series[0].stale == 48


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(values: list[float], rng: object) -> None:
    stamps = pd.date_range("2026-01-01", periods=len(values), freq="h")
    rows = [f"{stamp:%Y-%m-%d %H:%M},a,{value!r}" for stamp, value in zip(stamps, values, strict=True)]
    mixed = rows.copy()
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    first, _ = read_history(csv(*rows), asked=Reading(suspect="keep"))
    second, _ = read_history(csv(*mixed), asked=Reading(suspect="keep"))
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_allclose(first.values[0], values)
