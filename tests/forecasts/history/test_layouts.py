"""What consoles, spreadsheets and databases add around a table: read rightly, or refused with what would help."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from tests.forecasts.history.test_shapes import DAY, read, refused

INDEX = pd.date_range("2026-03-02", periods=24 * 21, freq="h")
LEVEL = pd.Series((DAY[INDEX.hour] + np.random.default_rng(3).normal(0, 0.4, len(INDEX))).round(3), INDEX)
UTC = [(t - pd.Timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ") for t in LEVEL.index]
NS = [pd.Timestamp(t).value for t in UTC]
ROWS = list(zip(LEVEL.index, LEVEL, strict=True))
IN_UTC, IN_NS = (list(zip(part, LEVEL, strict=True)) for part in (UTC, NS))


def lines(*head: str, sign: str = ",", form: str = "%Y-%m-%d %H:%M", tail: tuple[str, ...] = ()) -> bytes:
    return "\n".join([*head, *(f"{t:{form}}{sign}{v}" for t, v in ROWS), *tail, ""]).encode()


def annotated(field: str, values: pd.Series[float]) -> list[str]:
    head = ["#group,false,false,false,false,true,true", "#datatype,string,long,dateTime:RFC3339,double,string,string"]
    head += ["#default,_result,,,,,", ",result,table,_time,_value,_field,host"]
    return head + [f",,0,{t},{v},{field},web1" for t, v in zip(UTC, values, strict=True)] + [""]


def across(names: list[str]) -> bytes:
    days = LEVEL.to_numpy().reshape(-1, 24)
    first = pd.date_range(LEVEL.index[0], periods=len(days))
    body = [f"{day:%Y-%m-%d}," + ",".join(map(str, row)) for day, row in zip(first, days, strict=True)]
    return "\n".join(["date," + ",".join(names), *body, ""]).encode()


def book(*rows: list[object]) -> bytes:
    from openpyxl import Workbook

    made = Workbook()
    for row in rows:
        made.active.append(row)
    out = BytesIO()
    made.save(out)
    return out.getvalue()


AZURE_POINTS = [{"timeStamp": t, "average": v} for t, v in IN_UTC]
READ = {
    "console lines above": lines("Full label,Requests", "Period,3600", "", "Timestamp,Requests"),
    "one title": lines("Export of 2026", "", "Time;chat", sign=";"),
    "totals below": lines("time,chat", tail=(f"Total,{LEVEL.sum()}",)),
    "Chinese totals": lines("时间,对话", tail=("合计,12", "平均,3")),
    "zone in the header": "\n".join(["Time (UTC),chat", *(f"{t[:-1]},{v}" for t, v in IN_UTC)]).encode(),
    "another zone": lines("time [UTC+08:00],chat"),
    "date and hour": "\n".join(["date,hour,value", *(f"{t:%Y-%m-%d},{t.hour},{v}" for t, v in ROWS)]).encode(),
    "date and hour to 24": "\n".join(
        ["Date,Hour,Value", *(f"{t:%Y-%m-%d},{t.hour + 1},{v}" for t, v in ROWS)]
    ).encode(),
    "date and time": "\n".join(["Date;Time;Value", *(f"{t:%d.%m.%Y};{t:%H:%M};{v}" for t, v in ROWS)]).encode(),
    "hours across": across([f"{h:02d}:00" for h in range(24)]),
    "hours ending across": across([f"HE{h}" for h in range(1, 25)]),
    "moments across": f"name,{','.join(map(str, LEVEL.index))}\nchat,{','.join(map(str, LEVEL))}\n".encode(),
    "workbook days": "\n".join(
        ["time,chat", *(f"{(t - pd.Timestamp('1899-12-30')) / pd.Timedelta(days=1):.6f},{v}" for t, v in ROWS)]
    ).encode(),
    "kept text": lines("time,chat").replace(b"\n2", b"\n'2"),
    "Chinese clock": "\n".join(
        ["time,chat", *(f"{t:%Y/%m/%d} {'上下'[t.hour // 12]}午{t.hour % 12 or 12}:00,{v}" for t, v in ROWS)]
    ).encode(),
    "leap second": lines("time,chat").replace(b"03-03 00:00,", b"03-03 00:00:60,"),
    "title in a workbook": book(
        ["报表"], [], ["时间", "chat"], *([t.to_pydatetime(), v] for t, v in ROWS), ["来源：监控"]
    ),
    "annotated": "\r\n".join(annotated("rps", LEVEL)).encode(),
    "line protocol": "\n".join(f'http,host=a\\ b rps={v},ok="yes, so" {n}' for n, v in IN_NS).encode(),
    "Datadog": json.dumps(
        {"series": [{"metric": "hits", "scope": "*", "pointlist": [[n / 1e6, v] for n, v in IN_NS]}]}
    ).encode(),
    "Azure": json.dumps({"value": [{"name": {"value": "r"}, "timeseries": [{"data": AZURE_POINTS}]}]}).encode(),
    "records": json.dumps([{"time": str(t), "chat": v} for t, v in ROWS]).encode(),
    "records by line": "\n".join(json.dumps({"time": str(t), "chat": v}) for t, v in ROWS).encode(),
    "thousands": "\n".join(["Time,rps", *(f"{t},{v / 1e3:.6f} K" for t, v in ROWS)]).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_layout_gives_the_hours_that_were_measured(name: str) -> None:
    history, report = read(READ[name])
    assert history.index[0] == LEVEL.index[0]
    np.testing.assert_allclose(history.values, LEVEL.to_numpy()[None], rtol=1e-6)
    assert all(line.chinese != line for line in report.sentences())


def test_tables_of_one_answer_are_series_of_their_own() -> None:
    history, _ = read("\r\n".join([*annotated("rps", LEVEL), *annotated("gpu", 2 * LEVEL)]).encode())
    assert [key.workload for key in history.series] == ["gpu", "rps"]
    np.testing.assert_allclose(history.values[0], 2 * history.values[1])


def test_series_of_influx_are_called_by_all_that_differs() -> None:
    south = [line.replace("web1", "web2") for line in annotated("gpu", 2 * LEVEL)]
    history, report = read("\r\n".join([*annotated("rps", LEVEL), *south]).encode())
    assert [key.workload for key in history.series] == ["gpu,web2", "rps,web1"]
    assert any("called by _field, host" in line for line in report.sentences())


def test_amounts_of_azure_are_a_second_and_two_aggregations_are_refused() -> None:
    totals = [{"timeStamp": t, "total": 3600 * v} for t, v in IN_UTC]
    one = {"name": {"value": "r"}, "timeseries": [{"data": totals}]}
    history, _ = read(json.dumps({"value": [one]}).encode())
    np.testing.assert_allclose(history.values[0], LEVEL.to_numpy())
    both = {"value": [one, {"name": {"value": "s"}, "timeseries": [{"data": AZURE_POINTS}]}]}
    assert "several aggregations" in refused(json.dumps(both).encode())


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (lines("time,chat")[10:], "a header line with the columns' names"),
        ("ts,value\n" + "".join(f"{n / 1e6:.5E},{v}\n" for n, v in IN_NS), "rounded by a spreadsheet"),
        ("m,host=a v=1 1772380800000000000\nm,host=a v=oops\n", "measurement,tags fields time"),
        (json.dumps({"series": [{"metric": "hits", "pointlist": [1, 2]}]}), "pointlist"),
        ("time,chat\n" + "".join(f"{t},{'1 K' if t.hour % 2 else '1 req'}\n" for t, _ in ROWS), "no numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_refused_with_what_would_help(body: bytes | str, part: str) -> None:
    assert part in refused(body if isinstance(body, bytes) else body.encode())


def test_a_unit_behind_the_numbers_is_the_series_own() -> None:
    history, _ = read("\n".join(["time,cpu", *(f"{t},{v}%" for t, v in ROWS)]).encode())
    assert history.series[0].unit == "%"


def test_hours_that_end_are_told_and_so_is_a_sum_of_all_others() -> None:
    ends = "\n".join(["time,chat", *(f"{t:%Y-%m-%d} {t.hour + 1:02d}:00,{v}" for t, v in ROWS)]).encode()
    assert any("24:00 and never as 00:00" in line for line in read(ends)[1].sentences())
    three = pd.DataFrame({"time": LEVEL.index, "a": LEVEL.to_numpy(), "b": 3.0 + LEVEL.to_numpy()[::-1]})
    assert not any("counts demand twice" in line for line in read(three.assign(c=1 + three.a))[1].sentences())
    assert any("all is the sum" in line for line in read(three.assign(all=three.a + three.b))[1].sentences())
    assert not any("is the sum" in line for line in read(three.assign(b=three.a, c=0.0))[1].sentences())


def test_fillers_are_masked_and_a_high_hour_is_kept() -> None:
    values = LEVEL.copy()
    values.iloc[5::50] = 99999
    history, report = read(pd.DataFrame({"time": values.index, "chat": values.to_numpy()}))
    assert np.isnan(history.values[0]).sum() == len(values.iloc[5::50])
    assert any("nothing was measured" in line for line in report.sentences())
    once, limit, on = LEVEL.copy(), 300 + LEVEL, LEVEL * 0
    once.iloc[40], limit.iloc[5::7], on.iloc[5::7] = 99999, 999, 9999
    for kept in (once, limit, on):
        history, _ = read(pd.DataFrame({"time": kept.index, "chat": kept.to_numpy()}))
        np.testing.assert_array_equal(history.values[0], kept)


def test_totals_since_midnight_are_counters() -> None:
    since = LEVEL.groupby(LEVEL.index.date).cumsum()
    assert "values that only rise" in refused(pd.DataFrame({"time": since.index, "chat": since.to_numpy()}))


def days(*beside: str) -> list[str]:
    head = ",".join(["date", *beside, *map(str, range(24))])
    rows = LEVEL.to_numpy().reshape(-1, 24)
    told = {"total": lambda n: f"{rows[n].sum():.3f}", "weekday": lambda n: f"{LEVEL.index[24 * n]:%a}"}
    cells = [
        [f"{LEVEL.index[24 * n]:%Y-%m-%d}", *(told[name](n) for name in beside), *row] for n, row in enumerate(rows)
    ]
    return [head, *(",".join(map(str, row)) for row in cells)]


LOOKS_LIKE = {
    "a total beside the hours": (days("total"), "left out: total"),
    "the day of the week beside them": (days("weekday", "total"), "left out: weekday, total"),
    "the hour beside moments": (["time,hour,chat", *(f"{t},{t.hour},{v}" for t, v in ROWS)], "'hour' was left out"),
    "day and hour beside moments": (
        ["timestamp,day,hour,chat", *(f"{t},{t:%Y-%m-%d},{t.hour},{v}" for t, v in ROWS)], "'hour' was left out"),
    "a second column in UTC": (["time,time_utc,chat", *(f"{t},{u},{v}" for (t, v), u in zip(ROWS, UTC, strict=True))],
        "left out: time_utc"),
    "whole minutes as floats": (["ts,value", *(f"{float(n)},{v}" for n, (_, v) in zip(NS, ROWS, strict=True))], ""),
    "quoted names": (['"_time","_value","host"', *(f'"{t}","{v}","a"' for t, v in IN_UTC)], "InfluxDB"),
    "one title": (["Export,2026", "time,chat", *(f"{t},{v}" for t, v in ROWS)], "lines above the header: 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS_LIKE)
def test_what_only_looks_like_a_layout_is_read_as_it_stands(name: str) -> None:
    body, said = LOOKS_LIKE[name]
    history, report = read("\n".join([*body, ""]).encode())
    np.testing.assert_allclose(history.values, LEVEL.to_numpy()[None], rtol=1e-6)
    assert any(said in line for line in report.sentences())
    assert not any("zone" in line for line in report.sentences())


def test_series_across_are_called_by_the_words_that_tell_them_apart() -> None:
    day = ",".join(map(str, LEVEL.to_numpy()[:24]))
    rows = [f"2026-03-{n:02d},{n}.5,Mon,{name},{day}" for n in (2, 3, 4) for name in ("north", "south")]
    history, _ = read("\n".join(["date,total,weekday,site," + ",".join(map(str, range(24))), *rows, ""]).encode())
    assert [key.workload for key in history.series] == ["north", "south"]


def test_series_may_be_called_by_days_and_numbers() -> None:
    rows = [f"{t},{v},{2 * v}" for t, v in ROWS]
    history, _ = read("\n".join(["time,2025-01-01,123", *rows, ""]).encode())
    assert [key.workload for key in history.series] == ["123", "2025-01-01"]


def test_quarter_hours_that_end_are_told_as_such() -> None:
    quarters = pd.date_range("2026-03-02", periods=96 * 14, freq="15min")
    ends = [f"{t:%Y-%m-%d} {t.hour + (t.minute == 45):02d}:{(t.minute + 15) % 60:02d}" for t in quarters]
    _, report = read("\n".join(["time,chat", *(f"{t},{5 + i % 9}" for i, t in enumerate(ends)), ""]).encode())
    assert any("quarter hour" in line for line in report.sentences())
    names = [f"{m // 60:02d}:{m % 60:02d}" for m in range(15, 1441, 15)]
    table = LEVEL.to_numpy()[: 96 * 5].reshape(5, 96)
    wide = [f"2026-03-{2 + n:02d}," + ",".join(map(str, row)) for n, row in enumerate(table)]
    _, report = read("\n".join(["date," + ",".join(names), *wide, ""]).encode())
    assert any("run to 24:00" in line for line in report.sentences())


def test_a_unit_of_datadog_is_an_amount_by_another() -> None:
    points = [[n / 1e6, v] for n, v in IN_NS]
    unit = [{"name": "request", "short_name": "req"}, {"name": "second", "short_name": "s"}]
    history, _ = read(json.dumps({"series": [{"metric": "hits", "unit": unit, "pointlist": points}]}).encode())
    assert history.series[0].unit == "req/s"
