"""Measured points: reading tables, and moving the curve by them."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.case.own_library import read_library
from planner.sizing import Engine, Layout, Load, Precision, Stack, open_library
from planner.sizing.anchors import anchor, calibrated
from planner.sizing.errors import SizingError
from planner.sizing.facts import fitted
from planner.sizing.points import Point, layout_of, read_points
from planner.sizing.roofline import FIT, Scale
from planner.sizing.serving import benchmark_times

LIBRARY = open_library()
STACK = Stack(LIBRARY.model("MiniMax-M2.5"), LIBRARY.card("h200"), Layout(4), Precision.of("fp8"), Engine("vllm"))
TRUTH = Scale(overhead=1.5, weights=1.2, kv=0.8, prefill=1.3, first=2.0)


def point(b: float, scale: Scale = TRUTH, **load: float) -> Point:
    wanted = replace(Load(2048, 512, b), **load)
    work = STACK.work(wanted)
    ttft, tpot = benchmark_times(work, b, fitted().facts, scale)
    return Point(STACK, wanted, float(ttft), float(tpot), None)


def off(points: list[Point], scale: Scale) -> float:
    times = [benchmark_times(p.stack.work(p.load), p.load.concurrency, fitted().facts, scale) for p in points]
    return float(np.mean([abs(np.log(t[1] / (p.tpot_ms or 1))) for t, p in zip(times, points, strict=True)]))


def test_anchors_move_the_curve_towards_the_truth_the_more_the_more_there_are() -> None:
    unseen = [point(b, input_tokens=s) for b in (2, 12, 48, 100) for s in (512.0, 6000.0)]
    found = fitted()
    errors = [off(unseen, FIT)]
    seen = [[point(16)], [point(1), point(16), point(96)]]
    errors += [off(unseen, calibrated(points, found.facts, found.spread)) for points in seen]
    assert errors[0] > 0.15
    assert errors[1] < 0.4 * errors[0]
    assert errors[2] < 0.7 * errors[1]


def test_a_point_that_agrees_moves_nothing_and_low_load_moves_overheads_more_than_the_cache() -> None:
    found = fitted()
    same = calibrated([point(8, FIT)], found.facts, found.spread)
    assert all(abs(np.log(getattr(same, n))) < 0.01 for n in ("overhead", "weights", "kv", "prefill"))
    low = calibrated([point(1)], found.facts, found.spread)
    assert abs(np.log(low.overhead)) > 3 * abs(np.log(low.kv))


def test_only_points_of_the_stack_speak_for_it_and_what_is_left_is_told() -> None:
    strange = replace(point(8), stack=replace(STACK, card=LIBRARY.card("b200")))
    with pytest.raises(ValueError, match=r"no measured point of MiniMax-M2\.5 fp8, 4 × H200 SXM"):
        anchor(STACK, [strange])
    moved = anchor(STACK, [strange, point(8), point(64)])
    assert moved.stack.anchors == 2
    assert len(moved.left) == 2
    assert max(moved.left) < 0.05
    assert moved.error == fitted().errors.anchored


def test_tokens_a_second_of_a_whole_system_are_an_anchor_too(tmp_path: Path) -> None:
    table = tmp_path / "mlperf.csv"
    table.write_text(
        "model,card,engine,precision,cards,input_tokens,output_tokens,concurrency,tokens_per_s\n"
        "Llama-3.1-70B,H100 SXM,trtllm,fp8,8,1024,256,,20000\n"
        "Llama-3.1-70B,H100 SXM,trtllm,fp8,8,1024,256,64,\n"
        "Llama-3.1-70B,昇腾 910B,,bf16,8,1024,256,64,900\n"
        "Lama-70B,H100 SXM,trtllm,fp8,8,1024,256,64,900\n",
        encoding="utf-8",
    )
    points, refused = read_points(table, LIBRARY)
    assert [p.tokens for p in points] == [2500]
    assert [r.where[-6:] for r in refused] == ["line 3", "line 4", "line 5"]
    assert "neither ttft_ms and tpot_ms" in refused[0].found
    assert "not known" in refused[1].found
    moved = anchor(replace(points[0].stack, engine=Engine()), points)
    assert moved.left[0] < 0.1


HEAD = (
    "model_path,system,backend,backend_version,precision,mode,isl,osl,batch_size,tp_size,pp_size,"
    "attention_dp_size,moe_tp_size,moe_ep_size,concurrency,measured,ttft_ms,tpot_ms\n"
)


def test_rows_of_aiconfigurator(tmp_path: Path) -> None:
    rows = [
        "org/DeepSeek-R1,b200_sxm,sglang,0.5,fp8,agg,1024,1024,8,64,1,1,8,8,8,2026-01-31,210.0,9.5",
        "org/DeepSeek-R1,b200_sxm,sglang,0.5,fp8,disagg,1024,1024,8,8,1,1,8,1,8,2026-01-31,210.0,9.5",
        "org/DeepSeek-R1,h100_sxm,sglang,0.5,fp8,agg,1024,1024,8,4,1,1,4,1,8,2026-01-31,210.0,9.5",
        "org/DeepSeek-R1,b200_sxm,sglang,0.5,fp8,agg,1024,1024,8,8,1,1,8,1,8,2026-01-31,-1,9.5",
    ]
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "\n".join(rows)).encode()))
    points, refused = read_points(path, LIBRARY)
    assert len(points) == 1
    assert points[0].stack.layout == Layout(8)
    assert points[0].note
    assert points[0].stack.engine.years == pytest.approx(30 / 365.25)
    assert points[0].tokens == pytest.approx(8 / (9.5 + 210 / 1024) / 8 * 1000)
    assert refused[0].found.startswith("mode disagg:")
    assert "does not fit" in refused[1].found
    assert refused[2].found == "ttft_ms -1"


@pytest.mark.parametrize(
    ("tensor", "data", "moe_tp", "moe_ep", "expected"),
    [
        ("8", "1", "8", "1", Layout(8)),
        ("8", "1", "1", "8", Layout(8)),
        ("16", "1", "4", "4", Layout(4)),
        ("1", "64", "8", "8", Layout(1, 8)),
        ("2", "2", "1", "4", Layout(2)),
        ("1", "8", "1", "8", Layout(1, 8)),
        ("1", "", "4", "1", Layout(1, 4)),
        ("8", "", "2", "4", Layout(8)),
    ],
)
def test_cards_counted_twice_or_left_out(tensor: str, data: str, moe_tp: str, moe_ep: str, expected: Layout) -> None:
    row = {"tp_size": tensor, "attention_dp_size": data, "moe_tp_size": moe_tp, "moe_ep_size": moe_ep}
    assert layout_of(row)[0] == expected


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("model,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SizingError, match="no column card, input_tokens, output_tokens"):
        read_points(tmp_path / "a.csv", LIBRARY)
    with pytest.raises(SizingError, match="No such file"):
        read_points(tmp_path / "none.csv", LIBRARY)


def test_an_owner_s_own_cards_and_models_and_every_fault_of_a_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "sources: {lab: {mark: F, source: our bench, date: 2026-10-01}}\n"
        "cards:\n  - {id: ascend-910b, name: 昇腾 910B, vendor: 华为, domestic: true, memory_gib: [64, lab],\n"
        "     tb_per_s: [1.2, lab], pflops: {bf16: [0.3, lab]}, link_gb_per_s: [28, lab], domain: 8, power_w: null}\n",
        encoding="utf-8",
    )
    library = read_library([own])
    assert library.card("ascend-910b").missing() == ()
    assert library.marks("ascend-910b")["tb_per_s"] == "F"
    assert LIBRARY.card("ascend-910b").tb_per_s is None
    own.write_text(own.read_text("utf-8").replace("1.2, lab", "-1, lab").replace("domain: 8", "domain: 0"), "utf-8")
    with pytest.raises(SizingError) as caught:
        read_library([own])
    assert [p.where.split("yaml")[-1] for p in caught.value.faults] == ["/cards/0/tb_per_s/0", "/cards/0/domain"]
    with pytest.raises(SizingError, match="allowed: one of"):
        LIBRARY.card("h10")
