"""Every format gives the hours it was made from, and says what it was read as; damaged ones say what is wrong."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest

from forecasts.fault import Fault
from forecasts.history import History, HistoryError, read_history
from forecasts.history.asked import reading_of
from forecasts.history.formats.requests import dispersion
from forecasts.history.units import same_unit
from tests.forecasts.history import exports
from tests.forecasts.history.exports import DAYS, VALUES


def read(body: bytes, *asked: tuple[str, str]) -> tuple[History, tuple[str, ...]]:
    history, report = read_history(body, timezone="UTC", asked=reading_of(asked))
    return history, report.sentences()


def of(history: History, name: str) -> np.ndarray:
    return history.values[[key.workload for key in history.series].index(name)]


@pytest.mark.parametrize(
    ("made", "name", "factor", "said"),
    [
        (exports.long_csv, "chat", 1, "long table (CSV, UTF-8, parted by commas)"),
        (exports.wide_csv, "large", 2, "wide table (CSV, UTF-8, parted by tabs)"),
        (exports.parquet, "chat", 1, "long table (Parquet)"),
        (exports.xlsx, "chat", 1, "long table (XLSX, sheet September)"),
        (exports.prometheus, "rps{model=large}", 2, "Prometheus query_range"),
        (exports.grafana_joined, "large [a100]", 2, "Grafana, series joined by time"),
        (exports.grafana_joined, '{model="small", job="gw"}', 1, "Grafana, series joined by time"),
        (exports.grafana_rows, "large", 2, "Grafana, series to rows"),
        (exports.cloudwatch_data, "rps", 1, "CloudWatch get-metric-data"),
        (exports.cloudwatch_statistics, "RequestCount", 1, "CloudWatch get-metric-statistics"),
        (exports.opencost_json, "serving", 1, "OpenCost allocation (JSON)"),
        (exports.opencost_csv, "serving", 1, "OpenCost allocation (CSV"),
        (exports.dcgm_text, "H20", 0.2, "DCGM by dcgm-exporter's text"),
        (exports.dcgm_table, "H20", 0.2, "DCGM table"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_a_format_gives_the_hours_it_was_made_from(made: object, name: str, factor: float, said: str) -> None:
    history, sentences = read(made())  # type: ignore[operator]
    np.testing.assert_allclose(of(history, name), VALUES * factor, rtol=1e-3)
    assert sentences[0].startswith(f"Read as {said}")


def test_units_are_known_where_the_system_knows_them() -> None:
    for made, unit in (
        (exports.opencost_json, "GPUs"),
        (exports.dcgm_text, "busy GPUs"),
        (exports.cloudwatch_statistics, "requests/s"),
    ):
        assert {key.unit for key in read(made())[0].series} == {unit}


def test_gpus_are_added_up_over_their_own_lives() -> None:
    history, sentences = read(exports.prometheus_dcgm())
    joined = 24 * 21
    np.testing.assert_allclose(of(history, "H20")[:joined], VALUES[:joined] / 10, rtol=1e-3)
    np.testing.assert_allclose(of(history, "H20")[joined:], VALUES[joined:] / 5, rtol=1e-3)
    assert any("own time" in text for text in sentences)


def test_requests_are_counted_a_second_with_their_tokens() -> None:
    history, sentences = read(exports.azure_llm())
    counts = np.round(VALUES[: 24 * 14] * 40) / 3600
    np.testing.assert_allclose(of(history, "requests"), counts, rtol=0.02)
    np.testing.assert_allclose(of(history, "input tokens"), counts * 100, rtol=0.02)
    np.testing.assert_allclose(of(history, "output tokens"), counts * 10, rtol=0.02)
    assert {key.unit for key in history.series} == {"requests/s", "input tokens/s", "output tokens/s"}
    assert "Azure LLM" in sentences[0]
    assert any("100 input tokens a request (spread 0.00), 10 output tokens" in text for text in sentences)


def test_counters_of_an_engine_are_rates_and_survive_a_new_start() -> None:
    start = 1_790_000_000 // 3600 * 3600
    per_hour = np.round(VALUES[: 24 * 8] * 50)
    count = np.concatenate([[0.0], np.cumsum(per_hour)])
    count[100:] -= count[99]  # started anew in the hour 99, of which nothing was counted before
    body = {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {
                    "metric": {"__name__": "vllm:generation_tokens_total", "pod": "a"},
                    "values": [[start + 3600 * i, str(v)] for i, v in enumerate(count)],
                }
            ],
        },
    }
    history, sentences = read(json.dumps(body).encode())
    (key,) = history.series
    assert key.unit == "output tokens/s"
    np.testing.assert_allclose(history.values[0][: len(per_hour)], per_hour / 3600, rtol=1e-9)
    assert any("of an inference engine" in text for text in sentences)


def test_tokens_meet_the_unit_of_a_service_without_a_scale_and_no_other() -> None:
    assert same_unit("output tokens/s", "output tokens/s")
    assert same_unit("output tokens/s", "tokens/s")
    assert not same_unit("input tokens/s", "output tokens/s")
    assert not same_unit("tokens/s", "output tokens/s")
    assert dispersion(np.arange(3600, dtype=np.int64) * 10**9) == 0.0
    assert dispersion(np.arange(100, dtype=np.int64) * 10**9) is None
    steady = np.sort(np.random.default_rng(1).integers(0, 3600 * 10**9, 7200))
    assert dispersion(steady) == pytest.approx(1.0, abs=0.25)


def test_a_log_of_seconds_asks_for_the_day_it_began() -> None:
    body = exports.burst_gpt()
    with pytest.raises(HistoryError, match="--read began="):
        read(body)
    history, sentences = read(body, ("began", "2026-09-07"))
    assert str(history.index[0]) == "2026-09-07 00:00:00"
    total = of(history, "ChatGPT/requests") + of(history, "GPT-4/requests")
    # The log ends with its last request, within its last hour.
    np.testing.assert_allclose(total[:-1], np.round(VALUES[: 24 * 14 - 1] * 20) / 3600, rtol=1e-9)
    assert any("without output tokens are counted" in text for text in sentences)


def test_slurm_jobs_are_the_gpus_in_use_and_those_waiting() -> None:
    history, sentences = read(exports.slurm())
    # 01-04 and 02-05 overlap, 09-12, 20-23; each waited an hour before.
    day = [0, 8, 16, 16, 8, 0, 0, 0, 0, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 0]
    running, queued = of(history, "train"), of(history, "train/queued")
    np.testing.assert_allclose(running[: 24 * (DAYS - 1)], np.tile(day, DAYS - 1))
    assert queued[:24].tolist() == [8, 8, *[0] * 6, 8, *[0] * 10, 8, *[0] * 4]
    # The running job of the last day began at 12:00 and has no end; the log's last moment is 23:00.
    assert running[24 * (DAYS - 1) + 12 :].tolist() == [8, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16]
    assert any("1 job without an end" in text for text in sentences)
    assert {key.unit for key in history.series} == {"GPUs"}


def test_a_sum_from_get_metric_data_is_an_amount_when_that_is_said() -> None:
    history, _ = read(exports.cloudwatch_data(), ("amount", "rps"))
    np.testing.assert_allclose(of(history, "rps"), VALUES / 3600, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(exports.FILES))
def test_half_a_file_is_told_in_words_or_read(name: str) -> None:
    """Cut in the middle: no traceback, whatever is left."""
    body = exports.FILES[name]()
    told: tuple[Fault, ...] = ()
    measured = False
    try:
        measured = bool(np.isfinite(read_history(body[: len(body) // 2], timezone="UTC")[0].values).any())
    except HistoryError as error:
        told = error.faults
    assert measured or (told and all(fault.where and fault.found and fault.allowed for fault in told))


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b'{"status": "error", "error": "query timed out"}', "query timed out"),
        (b'{"status": "success", "data": {"resultType": "vector", "result": []}}', "a matrix"),
        (b'{"status": "success", "data": {"resultType": "matrix", "result": [{"values": [["x", 1]]}, 7]}}', "result 0"),
        (b'{"MetricDataResults": [{"Timestamps": ["2026-01-01T00:00Z"], "Values": []}]}', "different lengths"),
        (b'{"Datapoints": []}', "no data points"),
        (b'{"hello": 1}', "no known form"),
        (b"[" * 100_000, "cannot be read"),
        (b"PK\x03\x04 and then nothing", "a sound XLSX"),
        (b"PAR1 and then nothing PAR1", "a sound Parquet"),
        (b"\x1f\x8b\x08 and then nothing", "readable file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "old XLS"),
        (b"JobID|Start|End|AllocTRES\n1|Unknown|Unknown|cpu=4\n", "no job"),
        (b"name,start,end,gpuHours\nx,2026-01-01,2026-01-02,24\n", "step=1h"),
        (b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 40\n', "without a time"),
    ],
)
def test_hostile_and_damaged_files_are_told_in_words(body: bytes, part: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(body, timezone="UTC")
    assert any(part in str(fault) for fault in caught.value.faults), str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * (450 << 20), compresslevel=1)
    with pytest.raises(HistoryError, match="once unpacked"):
        read_history(out.getvalue())


def test_every_bad_sample_of_an_answer_is_told_at_once() -> None:
    series = [{"metric": {"a": str(i)}, "values": [[i, "1"]] if i % 2 else "none"} for i in range(6)]
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}).encode()
    with pytest.raises(HistoryError) as caught:
        read_history(body)
    assert [fault.where for fault in caught.value.faults] == ["result 0", "result 2", "result 4"]
