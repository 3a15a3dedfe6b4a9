"""Histories through the command line: read, reported, written, refused in words; forecast by the same reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from api.cli import app
from forecasts.outlook import Outlook
from tests.forecasts.history import exports

TINY = Path(__file__).parents[2] / "examples" / "tiny" / "case.yaml"
LEVEL = 10 + 4 * np.sin(2 * np.pi * (np.arange(24) - 9) / 24)


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def answer(*words: object) -> Any:
    code, out, err = run(*words, "--json")
    assert code == 0, out + err
    return json.loads(out)


def faults(*words: object) -> str:
    code, out, _ = run(*words, "--json")
    assert code == 2
    return " | ".join(f"{f['where']}: {f['found']}; {f['allowed']}" for f in json.loads(out)["error"]["faults"])


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    index = pd.date_range("2026-06-01", periods=24 * 56, freq="h")
    rows = [(t, "north", "chat", f"t{k}", LEVEL[t.hour] * k) for t in index for k in (1, 2, 3)]
    path = tmp_path / "tenants.csv"
    pd.DataFrame(rows, columns=["timestamp", "region", "workload", "tenant", "value"]).to_csv(path, index=False)
    return path


def test_what_is_read_is_said_written_and_drawn(tmp_path: Path) -> None:
    export, clean, picture = tmp_path / "export", tmp_path / "out" / "clean.csv", tmp_path / "clean.svg"
    export.write_bytes(exports.prometheus())
    told = answer("history", export, "--timezone", "UTC", "--out", clean, "--picture", picture)
    assert [row["workload"] for row in told["series"]] == ["rps{model=large}", "rps{model=small}"]
    assert told["quality"]["read_as"][0].startswith("Read as Prometheus query_range")
    again = pd.read_csv(clean)
    np.testing.assert_allclose(again["value"][again["series"] == "rps{model=small}"], exports.VALUES, rtol=1e-3)
    drawn = picture.read_text("utf-8")
    assert drawn.startswith("<svg")
    assert ">rps{model=small}<" in drawn
    assert drawn.count("<path") == 2 * 5  # gaps, days, cut-off days, means and a foot for each
    assert answer("history", clean, "--timezone", "UTC")["series"][0]["hours"] == len(exports.VALUES)


def test_both_languages_say_the_same_things(tmp_path: Path) -> None:
    export = tmp_path / "x.csv"
    export.write_bytes(exports.long_csv().replace(b",4.", b",-4.", 3))
    english, chinese = (run("history", export, "--language", tag)[2] for tag in ("en", "zh-CN"))
    assert "3 negative values masked" in english
    assert "屏蔽 3 个负值" in chinese


def test_parts_are_asked_about_and_added_up(tenants: Path, tmp_path: Path) -> None:
    assert "only tenant tells them apart" in faults("forecast", tenants, "--case", TINY, "--out", tmp_path / "o.zip")
    assert not (tmp_path / "o.zip").exists()
    told = answer("history", tenants, "--read", "same-moment=sum")
    assert told["series"][0]["mean"] == pytest.approx(60)


def test_versions_that_retire_add_up_over_their_lives(tmp_path: Path) -> None:
    index = pd.date_range("2026-01-05", periods=24 * 140, freq="h")
    lives = {"m[1]": (0, 80), "m[2]": (60, 140), "m[3]": (120, 140)}
    rows = [(t, name, LEVEL[t.hour]) for name, (a, b) in lives.items() for t in index[24 * a : 24 * b]]
    path = tmp_path / "models.csv"
    pd.DataFrame(rows, columns=["timestamp", "series", "value"]).to_csv(path, index=False)
    told = answer("history", path, "--case", TINY, "--map", "m[*]=chat@north*1", "--out", tmp_path / "sum.csv")
    total = pd.read_csv(tmp_path / "sum.csv")["value"].to_numpy().reshape(140, 24).mean(axis=1)
    np.testing.assert_allclose(total, [10] * 60 + [20] * 20 + [10] * 40 + [20] * 20)
    assert any("m[1] (to 2026-03-25)" in note for note in told["notes"])


def test_another_unit_needs_a_scale(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    frame = pd.DataFrame({"timestamp": exports.HOURS.astype(str), "region": "north", "workload": "chat"})
    frame.assign(value=exports.VALUES, unit="requests/s").to_csv(path, index=False)
    said = faults("plan", TINY, "--history", path, "--out", tmp_path / "plan")
    assert "requests/s" in said
    assert "PFLOPS" in said
    assert "scale" in said
    assert not (tmp_path / "plan" / "plan.json").exists()


def test_a_named_ceiling_is_carried_into_the_outlook_s_notes(tmp_path: Path) -> None:
    index = pd.date_range("2026-01-05", periods=24 * 98, freq="h")
    asked = LEVEL[index.hour] * np.linspace(0.8, 1.4, len(index))
    path, out = tmp_path / "served.csv", tmp_path / "o.zip"
    frame = pd.DataFrame({"timestamp": index, "region": "north", "workload": "chat", "value": np.minimum(asked, 12.0)})
    frame.to_csv(path, index=False)
    told = answer("history", path)
    assert "looks like a ceiling" in " ".join(told["notes"])
    answer("forecast", path, "--case", TINY, "--ceiling", "north/chat=12", "--out", out)
    notes = " ".join(Outlook.load(out).notes)
    assert "demand was cut off in" in notes
    assert "looks like a ceiling" not in notes


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--read", "no-row"], "KEY=VALUE"),
        (["--read", "no-row=maybe", "--read", "colour=red"], "one of unknown, zero"),
        (["--read", "began=soon"], "a date"),
        (["--read", "rate=nobody"], "which no series has"),
        (["--ceiling", "chat"], "SERIES=NUMBER"),
        (["--ceiling", "chat=room:x"], "SERIES=NUMBER"),
        (["--ceiling", "nobody=3"], "no series of that name"),
        (["--out", "clean.doc"], ".parquet"),
        (["--map", "a=b@c*1"], "--case"),
    ],
)
def test_wrong_options_are_told_in_words(words: list[str], part: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(exports.long_csv())
    assert part in faults("history", path, *words)


def test_a_missing_and_an_unreadable_file_are_told_in_words(tmp_path: Path) -> None:
    assert faults("history", tmp_path / "none.csv")
    (tmp_path / "noise.bin").write_bytes(bytes(range(1, 256)) * 40)
    assert faults("history", tmp_path / "noise.bin")
