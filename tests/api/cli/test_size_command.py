"""`tideplan size` as a user runs it: words in both languages, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app

ASKED = ["size", "Llama-3.1-8B", "--rate", "20", "--input", "1024", "--output", "128", "--card", "h200"]


def run(*more: str) -> Result:
    return CliRunner().invoke(app, [*ASKED, *more])


def test_json_has_cards_curve_errors_and_where_the_facts_come_from() -> None:
    done = run("--json", "--card", "k100-ai", "--price", "h200=18", "--engine", "vllm")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    need = told["needs"][0]
    assert need["cards"] == need["replicas"] * need["tensor"] * need["data"]
    assert need["latency"]["ttft_ms"] <= 2000
    assert need["cost_per_million_output_tokens"] == pytest.approx(18 * need["cards"] / (20 * 128 * 3.6e3) * 1e6)
    assert need["curve"][0]["concurrency"] == 1
    (refused,) = told["refused"]
    assert (refused["card"], refused["reason"]) == ("k100-ai", "tb_per_s, link_gb_per_s not known")
    assert told["facts"]["mark"] == "C"


def test_a_table_and_why_in_either_language() -> None:
    english, chinese = run("--language", "en").stdout, run("--language", "zh-CN").stdout
    assert "Cards that keep the promise" in english
    assert "满足承诺所需的卡" in chinese
    assert "output tokens" not in chinese


def test_why_a_card_will_not_do_is_said_in_the_reader_s_language() -> None:
    tight = ["--ttft", "1", "--card", "k100-ai", "--language"]
    assert "a single request has TTFT" in run(*tight, "en").output
    chinese = run(*tight, "zh-CN").output
    assert "单个请求已需首 token" in chinese
    assert "未知" in chinese
    assert "not known" not in chinese


def test_the_library_is_listed_with_marks() -> None:
    done = CliRunner().invoke(app, ["size", "list", "--json"])
    cards = {c["id"]: c for c in json.loads(done.stdout)["cards"]}
    assert cards["h20"]["marks"]["tb_per_s"] == "E"
    assert cards["mlu590"]["tb_per_s"] is None
    assert "not known" in CliRunner().invoke(app, ["size", "list", "--language", "en"]).stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engine", "ollama"], "ollama"),
        (["--price", "h200"], "CARD=MONEY"),
        (["--card", "h9000"], "h9000"),
        (["--pue", "0.2", "--rate", "-1"], "at most 3"),
        (["--library", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_input_is_told_without_a_traceback(more: list[str], said: str) -> None:
    done = run(*more, "--language", "en")
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_anchors_move_the_answer_and_left_aside_points_are_named(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(
        "model,card,engine,precision,tensor,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms\n"
        "Llama-3.1-8B,h200,vllm,fp8,1,1024,128,16,120,12\n"
        "Llama-9-8B,h200,vllm,fp8,1,1024,128,16,120,12\n",
        encoding="utf-8",
    )
    plain, moved = (json.loads(run("--json", "--engine", "vllm", *a).stdout) for a in ([], ["--anchors", str(table)]))
    assert moved["needs"][0]["anchors"] == 1
    assert moved["needs"][0]["served"]["tpot_ms"] > plain["needs"][0]["served"]["tpot_ms"]
    assert moved["needs"][0]["error"] < plain["needs"][0]["error"]
    assert "line 3" in moved["points_left_aside"][0]
