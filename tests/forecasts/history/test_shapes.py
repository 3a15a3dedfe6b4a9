"""Shapes that monitoring systems write every day: read rightly, or refused with what would help."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forecasts.history import History, HistoryError, read_history
from forecasts.history.asked import reading_of
from forecasts.history.quality import QualityReport

RNG = np.random.default_rng(7)
BEGIN = RNG.bit_generator.state
DAY = 10 + 4 * np.sin(2 * np.pi * (np.arange(24) - 9) / 24)


@pytest.fixture(autouse=True)
def _own_noise() -> None:
    """Every test has its noise, whatever ran before it."""
    RNG.bit_generator.state = BEGIN


def tide(days: int, start: str = "2026-03-02", noise: float = 0.2) -> pd.Series[float]:
    index = pd.date_range(start, periods=24 * days, freq="h")
    return pd.Series(np.round(DAY[index.hour] + RNG.normal(0, noise, len(index)), 4), index)


def text(times: list[str] | pd.Index[str], values: list[object] | pd.Series[float], **more: object) -> bytes:
    return pd.DataFrame({"timestamp": times, "series": "chat", **more, "value": values}).to_csv(index=False).encode()


def read(
    body: bytes | pd.DataFrame, *asked: tuple[str, str], zone: str = "Asia/Shanghai"
) -> tuple[History, QualityReport]:
    return read_history(body, timezone=zone, asked=reading_of(asked))


def refused(body: bytes | pd.DataFrame, *asked: tuple[str, str]) -> str:
    with pytest.raises(HistoryError) as caught:
        read(body, *asked)
    return str(caught.value)


def stretched(level: pd.Series[float], step: str, begin: str, end: str) -> pd.Series[float]:
    index = pd.date_range(begin, end, freq=step, inclusive="left")
    return pd.Series(level.reindex(index.floor("h")).to_numpy(), index)


# The sampling step is judged where it stands.


@pytest.mark.parametrize("order", [("60min", "5min", "1min"), ("1min", "15min", "60min"), ("60min", "15min")])
def test_tiers_of_one_series_are_each_averaged_by_their_own_step(order: tuple[str, ...]) -> None:
    level = tide(60)
    cuts = [level.index[0] + pd.Timedelta(days=d) for d in np.linspace(0, 60, len(order) + 1).astype(int)]
    rows = pd.concat(
        [stretched(level, step, str(a), str(b)) for step, (a, b) in zip(order, pairwise(cuts), strict=True)]
    )
    history, report = read(text(rows.index.astype(str), rows.tolist()))
    np.testing.assert_allclose(history.values[0], level.to_numpy(), rtol=1e-9)
    assert report.series[0].dropped == 0
    assert any("several steps between samples" in line for line in report.sentences())


@pytest.mark.parametrize(("apart", "count"), [(8, 2), (20, 3), (2, 2)])
def test_collectors_seconds_apart_are_one_sensor(apart: int, count: int) -> None:
    level = tide(40)
    stamps = [(t + pd.Timedelta(seconds=3 + apart * k), v) for t, v in level.items() for k in range(count)]  # type: ignore[operator]
    history, report = read(text([str(t) for t, _ in stamps], [v for _, v in stamps]))
    np.testing.assert_allclose(history.values[0], level.to_numpy())
    assert report.series[0].duplicate_rows == (count - 1) * len(level)


def test_five_minute_pairs_half_a_minute_apart_are_used_whole() -> None:
    level = tide(20)
    fine = stretched(level, "5min", str(level.index[0]), str(level.index[-1] + pd.Timedelta(hours=1)))
    stamps = [(t + pd.Timedelta(seconds=30 * k), v) for t, v in fine.items() for k in (0, 1)]  # type: ignore[operator]
    history, _ = read(text([str(t) for t, _ in stamps], [v for _, v in stamps]))
    np.testing.assert_allclose(history.values[0], level.to_numpy(), rtol=2e-3)


def test_a_log_of_changes_is_weighted_by_time() -> None:
    # 2 until 06:20, 8 until 06:50, 2 until the next morning's 07:00 ...: irregular, hours apart.
    changes = []
    for day in range(20):
        begin = pd.Timestamp("2026-03-02") + pd.Timedelta(days=day)
        changes += [(begin + pd.Timedelta(hours=6, minutes=20 + day % 7), 8.0)]
        changes += [(begin + pd.Timedelta(hours=9, minutes=11 + 2 * day % 5), 2.0)]
        changes += [(begin + pd.Timedelta(hours=20, minutes=day % 13), 5.0), (begin + pd.Timedelta(hours=23), 2.0)]
    history, report = read(text([str(t) for t, _ in changes], [v for _, v in changes]))
    hour = history.index.hour
    known = history.values[0]
    assert np.isfinite(known).mean() > 0.98
    np.testing.assert_allclose(known[(hour == 7) | (hour == 8)], 8)
    np.testing.assert_allclose(known[(hour >= 12) & (hour <= 19)], 2)
    first = known[history.index == pd.Timestamp("2026-03-03 06:00")]
    np.testing.assert_allclose(first, (21 * 2 + 39 * 8) / 60)
    assert any("follow no step" in line for line in report.sentences())


def test_hours_with_too_few_rows_are_counted_and_said() -> None:
    level = tide(20)
    fine = stretched(level, "5min", "2026-03-02", "2026-03-22")
    kept = fine[~((fine.index.hour == 4) & (fine.index.minute >= 20))]
    history, report = read(text(kept.index.astype(str), kept.tolist()))
    assert report.series[0].dropped == 20
    assert np.isnan(history.values[0][history.index.hour == 4]).all()
    assert any("20 hours that had rows were not used" in line for line in report.sentences())


def test_older_data_thinned_to_days_say_nothing_of_hours() -> None:
    level = tide(40)
    days = level[:"2026-03-21"].resample("D").mean()  # type: ignore[misc]
    rows = pd.concat([days, level["2026-03-22":]])  # type: ignore[misc]
    history, report = read(text(rows.index.astype(str), rows.tolist()))
    assert report.series[0].coarse_rows == pytest.approx(20, abs=1)
    measured = np.isfinite(history.values[0])
    assert measured.sum() == pytest.approx(20 * 24, abs=1)


# Moments in the forms in which they come.


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S+00", "%Y-%m-%d %H:%M:%S+0000", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC",
        "%Y-%m-%d %H:%M:%S.000+00:00", "%Y-%m-%dT%H:%M:%S.0000000Z", "%Y/%m/%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S GMT",
    ],
)  # fmt: skip
def test_offsets_in_every_spelling_are_instants(form: str) -> None:
    utc = tide(14)
    history, _ = read(text([t.strftime(form) for t in utc.index], utc.tolist()))
    assert str(history.index[0]) == "2026-03-02 08:00:00"
    by_hour = [np.nanmean(history.values[0][history.index.hour == hour]) for hour in range(24)]
    assert int(np.argmax(by_hour)) == (15 + 8) % 24


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000], ids=["s", "ms", "us", "ns"])
def test_epochs_of_every_fineness_are_instants(factor: int) -> None:
    utc = tide(14)
    stamps = [str(int(t.timestamp()) * factor) for t in utc.index]
    history, _ = read(text(stamps, utc.tolist()))
    assert str(history.index[0]) == "2026-03-02 08:00:00"
    np.testing.assert_allclose(history.values[0], utc.to_numpy())


@pytest.mark.parametrize(
    "form",
    ["%Y/%m/%d %H:%M", "%Y%m%d%H", "%Y%m%d%H%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%Y年%m月%d日 %H时",
     "%d-%b-%Y %H:%M", "%m/%d/%Y %I:%M %p", "%b %d, %Y %H:%M:%S"],
)  # fmt: skip
def test_local_times_of_other_habits_are_read(form: str) -> None:
    local = tide(20)
    history, _ = read(text([t.strftime(form) for t in local.index], local.tolist()))
    assert str(history.index[0]) == "2026-03-02 00:00:00"
    np.testing.assert_allclose(history.values[0], local.to_numpy())


def test_days_and_months_that_cannot_be_told_apart_are_refused() -> None:
    days = pd.date_range("2026-03-02", periods=100, freq="h")
    assert "day or the month may stand first" in refused(
        text([t.strftime("%d/%m/%Y %H:%M") for t in days], [1.0] * 100)
    )


def test_an_abbreviated_zone_is_refused() -> None:
    assert "several zones" in refused(text(["2026-03-02 00:00:00 CST", "2026-03-02 01:00:00 CST"], [1.0, 2.0]))


def test_one_mistyped_date_is_left_out_and_said() -> None:
    level = tide(30)
    stamps = [str(t) for t in level.index]
    stamps[200] = stamps[200].replace("2026", "2062")
    history, report = read(text(stamps, level.tolist()))
    assert history.values.shape == (1, 720)
    assert np.isnan(history.values[0][200])
    assert "row 201 2062-03-10 08:00:00" in report.warnings[0]


# Text in the forms in which it comes.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_encodings_and_signs(encoding: str, sign: str) -> None:
    level = tide(8)
    frame = pd.DataFrame({"timestamp": level.index, "series": "推理业务", "value": level.to_numpy()})
    history, report = read(frame.to_csv(index=False, sep=sign).encode(encoding))
    assert [key.workload for key in history.series] == ["推理业务"]
    np.testing.assert_allclose(history.values[0], level.to_numpy())
    named = {"gb18030": "GBK", "utf-16": "UTF-16", "utf-16-le": "UTF-16"}.get(encoding, "UTF-8")
    assert named in report.read_as[0]


def test_western_text_is_not_taken_for_chinese() -> None:
    body = "timestamp;series;value\n2026-03-02 00:00;Größe für Müller;1,5\n".encode("cp1252")
    history, _ = read(body)
    assert history.series[0].workload == "Größe für Müller"
    assert history.values.tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        (["1.234,5", "2.000,25", "7,0"], [1234.5, 2000.25, 7]),
        (["1,234.5", "2,000.25", "7.5"], [1234.5, 2000.25, 7.5]),
        (["1,234,567", "2,000", "3"], [1234567, 2000, 3]),
        (["0,125", "1,500", "2"], [0.125, 1.5, 2]),
        (["1 234", "2 000", "5"], [1234, 2000, 5]),
    ],
)
def test_decimal_and_thousands_signs_where_they_are_clear(cells: list[str], values: list[float]) -> None:
    rows = "".join(f'2026-03-02 {h:02d}:00;chat;"{cell}"\n' for h, cell in enumerate(cells))
    history, _ = read(f"timestamp;series;value\n{rows}".encode())
    assert history.values[0].tolist() == values


def test_a_comma_that_may_be_either_is_asked_about() -> None:
    body = b'timestamp,series,value\n2026-03-02 00:00,chat,"1,234"\n2026-03-02 01:00,chat,"2,500"\n'
    assert "a decimal comma, or thousands?" in refused(body)
    assert read(body, ("decimal", ","))[0].values.tolist() == [[1.234, 2.5]]
    assert read(body, ("decimal", "."))[0].values.tolist() == [[1234, 2500]]


def test_quoted_commas_in_header_and_cells() -> None:
    body = b'timestamp,region,workload,value,"remark, free"\n2026-03-02 00:00,north,chat,1.5,"one, two"\n'
    assert read(body)[0].values.tolist() == [[1.5]]


@pytest.mark.parametrize("twice", ["value,value", "value,Value", "series,value,series"])
def test_a_needed_column_twice_is_a_fault_in_words(twice: str) -> None:
    head = f"timestamp,series,{twice}" if not twice.startswith("series") else f"timestamp,{twice}"
    cells = ",".join(["2026-03-02 00:00", "chat", *["1"] * (head.count(",") - 1)])
    assert "2 times (columns" in refused(f"{head}\n{cells}\n".encode())


def test_every_row_of_another_width_is_told_with_its_number() -> None:
    said = refused(b"timestamp,series,value\n2026-03-02 00:00,a,1\n2026-03-02 01:00,a\n2026-03-02 02:00,a,1,2\n")
    assert "row 2 with 2 cells" in said
    assert "row 3 with 4 cells" in said


# What rows of one moment mean.


def tenants(days: int = 20, apart: int = 0) -> tuple[bytes, pd.Series[float]]:
    base = tide(days)
    rows = [
        (t + pd.Timedelta(seconds=apart * k), f"t{k}", v * (k + 1))  # type: ignore[operator]
        for t, v in base.items()
        for k in RNG.permutation(3)
    ]
    stamps, labels, values = zip(*rows, strict=True)
    return text(
        [str(t) for t in stamps], list(values), tenant=labels, note=[f"n{i}" for i in range(len(rows))]
    ), base * 6


@pytest.mark.parametrize("apart", [0, 7])
def test_rows_that_an_unread_column_tells_apart_are_asked_about(apart: int) -> None:
    body, total = tenants(apart=apart)
    said = refused(body)
    assert "only tenant tells them apart" in said
    assert "--read same-moment=sum" in said
    summed, report = read(body, ("same-moment", "sum"))
    np.testing.assert_allclose(summed.values[0], total.to_numpy(), rtol=0.01)
    assert any("3 parts, told apart by tenant" in line for line in report.sentences())
    apart_, _ = read(body, ("series", "tenant"))
    assert [key.workload for key in apart_.series] == ["t0", "t1", "t2"]


def test_a_tenant_that_leaves_counts_as_nothing_and_a_hole_stays_one() -> None:
    base = tide(30)
    frame = pd.DataFrame(
        [(t, name, v) for t, v in base.items() for name in ("a", "b")], columns=["timestamp", "pod", "value"]
    ).assign(series="chat")
    gone = (frame["pod"] == "b") & (frame["timestamp"] >= "2026-03-20")
    hole = (frame["pod"] == "a") & (frame["timestamp"] == "2026-03-10 05:00")
    history, _ = read(frame[~gone & ~hole], ("same-moment", "sum"))
    left = history.index >= pd.Timestamp("2026-03-20")
    np.testing.assert_allclose(history.values[0][left], base.to_numpy()[left])
    assert np.isnan(history.values[0][history.index == pd.Timestamp("2026-03-10 05:00")]).all()


def test_replicas_that_agree_are_merged_without_a_question() -> None:
    base = tide(20)
    rows = [(t, name, v) for t, v in base.items() for name in ("r1", "r2")]
    history, report = read(text([str(r[0]) for r in rows], [r[2] for r in rows], replica=[r[1] for r in rows]))
    np.testing.assert_allclose(history.values[0], base.to_numpy())
    assert report.series[0].duplicate_rows == len(base)
    said = next(one for one in report.sentences() if "taken for copies" in one)
    assert f"In {len(base)} moments" in said
    assert "only replica tells them apart" in said
    assert "same-moment=sum" in said


def test_pods_that_carry_nearly_the_same_are_asked_about() -> None:
    base = tide(20)
    rows = [(t, name, v * k) for t, v in base.items() for name, k in (("a", 1.0), ("b", 1.01))]
    body = text([str(r[0]) for r in rows], [r[2] for r in rows], pod=[r[1] for r in rows])
    assert "only pod tells them apart" in refused(body)
    np.testing.assert_allclose(read(body, ("same-moment", "sum"))[0].values[0], 2.01 * base.to_numpy())


def test_what_has_only_grown_so_far_may_be_said_to_be_no_counter() -> None:
    index = tide(20).index
    body = text([str(t) for t in index], np.linspace(10, 20, len(index)).tolist())
    assert "--read 'gauge=" in refused(body)
    assert read(body, ("gauge", "*"))[0].values[0, -1] == pytest.approx(20)
    assert "which no series has" in refused(body, ("gauge", "other"))


def test_comments_above_the_header_are_passed_over_and_a_header_may_be_one() -> None:
    level = tide(3)
    rows = "".join(f"{t},{v}\n" for t, v in level.items())
    for head in ("# by a tool\n#group,false\n\ntime,value\n", "#time,value\n", "# Date, value\n"):
        history, _ = read((head + rows).encode())
        np.testing.assert_allclose(history.values[0], level.to_numpy())


def test_a_moment_named_in_another_tongue_makes_a_wide_table() -> None:
    level = tide(20)
    rows = "".join(f"{t:%d.%m.%Y %H:%M};{str(round(v, 3)).replace('.', ',')}\n" for t, v in level.items())
    body = ("Zeit;Last MW\n" + rows).encode()
    assert "--read timestamp=Zeit" in refused(body)
    history, _ = read(body, ("timestamp", "Zeit"), ("decimal", ","))
    assert history.series[0].workload == "Last MW"
    np.testing.assert_allclose(history.values[0], level.to_numpy(), atol=1e-3)


def test_rows_that_nothing_tells_apart_are_asked_about_too() -> None:
    base = tide(20)
    rows = [(t, v * k) for t, v in base.items() for k in (1, 2, 3)]
    body = text([str(t) for t, _ in rows], [v for _, v in rows])
    assert "several rows with different values" in refused(body)
    np.testing.assert_allclose(read(body, ("same-moment", "sum"))[0].values[0], 6 * base.to_numpy())
    np.testing.assert_allclose(read(body, ("same-moment", "mean"))[0].values[0], 2 * base.to_numpy())


# Counters, amounts, ceilings, missing rows.


@pytest.mark.parametrize("resets", [(), (300, 500)])
def test_a_counter_is_recognised_and_its_rate_offered(resets: tuple[int, ...]) -> None:
    rate = tide(40)
    total = np.cumsum(rate.to_numpy() * 3600)
    for at in resets:
        total[at:] -= total[at - 1]
    body = text(rate.index.astype(str), total.tolist())
    said = refused(body)
    assert f"values that only rise, {len(resets)} resets aside" in said
    assert "--read 'rate=chat'" in said
    history, _ = read(body, ("rate", "chat"))
    np.testing.assert_allclose(history.values[0][:-1], rate.to_numpy()[1:], rtol=1e-6)


def test_demand_that_grows_is_no_counter() -> None:
    level = tide(60)
    grown = level * np.linspace(1, 6, len(level))
    assert read(text(level.index.astype(str), grown.tolist()))[0].values.shape == (1, len(level))


def test_amounts_of_five_minutes_become_amounts_a_second() -> None:
    level = tide(10)
    fine = stretched(level, "5min", "2026-03-02", "2026-03-12") * 300
    history, _ = read(text(fine.index.astype(str), fine.tolist()), ("amount", "*"))
    np.testing.assert_allclose(history.values[0], level.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize(("cap", "noise"), [(11.0, 0.0), (12.5, 0.0), (11.0, 0.004)])
def test_long_stays_at_the_highest_value_are_said_and_kept(cap: float, noise: float) -> None:
    asked = tide(120) * np.linspace(0.9, 1.6, 24 * 120)
    served = np.minimum(asked, cap) * (1 - np.abs(RNG.normal(0, noise, len(asked))))
    history, report = read(text(asked.index.astype(str), served.tolist()))
    at = (asked > cap).to_numpy().sum()
    assert report.series[0].at_ceiling == pytest.approx(at, rel=0.2)
    assert report.series[0].stuck == 0
    assert any("it looks like a ceiling" in line for line in report.sentences())
    assert np.isfinite(history.values).all()
    assert not history.censored.any()  # what only looks like one is not marked


def test_a_tide_without_a_ceiling_has_none() -> None:
    smooth = tide(120, noise=0.05)
    busy = tide(60, noise=2.0)
    flat = pd.Series(np.full(24 * 60, 8.0), pd.date_range("2026-03-02", periods=24 * 60, freq="h"))
    for level in (smooth, busy, flat):
        _, report = read(text(level.index.astype(str), level.tolist()))
        assert report.series[0].at_ceiling == 0


def test_rows_only_while_work_runs_are_unknown_or_nothing_as_is_said() -> None:
    index = pd.date_range("2026-03-02", periods=24 * 70, freq="h")
    night = index[(index.hour >= 2) & (index.hour < 5)]
    body = text(night.astype(str), [40.0 + (i % 3) for i in range(len(night))])
    unknown, report = read(body)
    assert np.nanmean(unknown.values) == pytest.approx(41)
    assert any("always the same hours of the week" in line for line in report.sentences())
    nothing, _ = read(body, ("no-row", "zero"))
    assert nothing.values.mean() == pytest.approx(41 / 8, rel=0.02)
    assert not any("always the same" in line for line in read(body, ("no-row", "zero"))[1].sentences())


def test_weekends_without_rows_are_noticed_and_scattered_holes_are_not() -> None:
    level = tide(56)
    working = level[level.index.dayofweek < 5]
    assert any(
        "always the same" in line for line in read(text(working.index.astype(str), working.tolist()))[1].sentences()
    )
    some = level[RNG.random(len(level)) > 0.3]
    assert not any(
        "always the same" in line for line in read(text(some.index.astype(str), some.tolist()))[1].sentences()
    )


def test_two_units_in_one_series_are_a_fault() -> None:
    level = tide(4)
    units = ["PFLOPS"] * 48 + ["requests/s"] * 48
    assert "units PFLOPS, requests/s" in refused(text(level.index.astype(str), level.tolist(), unit=units))


def test_many_alike_remarks_are_said_once_and_summed_up() -> None:
    parts = []
    for i in range(30):
        level = tide(20).drop(pd.Timestamp("2026-03-05 03:00"))
        parts.append(pd.DataFrame({"timestamp": level.index, "series": f"s{i:02d}", "value": level.to_numpy()}))
    _, report = read(pd.concat(parts))
    assert report.sentences()[1:] == (
        "30 series (s00, s01, s02 and 27 more): 30 hours missing inside the history, masked",
    )
    assert report.sentences()[1].chinese.startswith("30 条序列（s00、s01、s02，另有 27 项）：")


def test_the_order_of_rows_changes_nothing() -> None:
    body, _ = tenants(days=10)
    frame = pd.read_csv(pd.io.common.BytesIO(body))
    mixed = frame.sample(frac=1, random_state=4)
    (one, said), (other, also) = (read(part, ("series", "tenant")) for part in (frame, mixed))
    assert one.series == other.series
    np.testing.assert_array_equal(one.values, other.values)
    assert said.sentences() == also.sentences()
