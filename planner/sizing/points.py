"""Measured points: the rows of benchmark tables, as AIConfigurator and MLPerf-like tables state them."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from forecasts.fault import Fault
from planner.sizing.errors import SizingError
from planner.sizing.library import Library
from planner.sizing.memory import most_requests
from planner.sizing.serving import Stack
from planner.sizing.types import ENGINES, Engine, Layout, Load, Precision, PrecisionName

EPOCH = date(2026, 1, 1)
UNDATED_YEARS = -0.16
"""Age that an undated row is given: the middle of the shipped fit's dated rows of 2025."""
FIELDS = ("model", "card", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Point:
    """One measurement. Either ttft_ms and tpot_ms at `load.concurrency`, or output tokens a second and card.

    load.concurrency is 0 where a table states none (MLPerf's offline rows): then tokens stand for the most that the
    stack serves. note: what the reader put right.
    """

    stack: Stack
    load: Load
    ttft_ms: float | None
    tpot_ms: float | None
    tokens_per_s: float | None
    version: str = ""
    measured: str = ""
    note: str = ""

    @property
    def tokens(self) -> float:
        """Output tokens a second and card; from TTFT and TPOT where they were measured: b ÷ (TPOT + TTFT/output)."""
        if self.tokens_per_s is not None:
            return self.tokens_per_s
        assert self.tpot_ms is not None
        assert self.ttft_ms is not None
        each = self.tpot_ms + self.ttft_ms / self.load.output_tokens
        return self.load.concurrency / each / self.stack.layout.cards * 1000


def read_points(path: Path, library: Library) -> tuple[list[Point], list[Fault]]:
    """Points of a CSV table (also .gz), and the rows that could not be used with the reason of each.

    AIConfigurator's columns (model_path, system, backend, isl, osl, tp_size, …) are known; any other table has the
    columns model, card, input_tokens, output_tokens and, as far as known, engine, precision, tensor, data, cards,
    concurrency, ttft_ms, tpot_ms, tokens_per_s (of the whole system, as MLPerf states it), measured (a date).
    Raises SizingError where the file is no such table.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
        rows = list(csv.DictReader(text.splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SizingError([Fault(str(path), str(error), "a CSV table, also .gz")]) from None
    if not rows:
        raise SizingError([Fault(str(path), "no rows", "a table of measured points")])
    foreign = "model_path" in rows[0]
    missing = [name for name in FIELDS if name not in rows[0]]
    if not foreign and missing:
        raise SizingError(
            [Fault(str(path), f"no column {', '.join(missing)}", "AIConfigurator's columns or " + ", ".join(FIELDS))]
        )
    points, refused = [], []
    for line, row in enumerate(rows, 2):
        try:
            points.append(_of_aiconfigurator(row, library) if foreign else _of_table(row, library))
        except (SizingError, ValueError, KeyError) as error:
            reason = "; ".join(p.found for p in error.faults) if isinstance(error, SizingError) else str(error)
            refused.append(Fault(f"{path} line {line}", reason, "a measured point of a known model and card"))
    return points, refused


def layout_of(row: Mapping[str, str]) -> tuple[Layout, str]:
    """The layout of an AIConfigurator row, and what had to be put right.

    The table counts expert parallelism twice in two kinds of rows: they repeat, figure by figure, rows of the same
    day with fewer cards. (1) moe_tp = moe_ep = g > 1 and tensor × data = g²: g cards. (2) tensor = data > 1 and all
    of tensor × data is moe_ep: attention was data-parallel over the same `tensor` cards. And it leaves the data
    parallelism out where (3) moe_tp × moe_ep is more than tensor: the experts' cards are the replica's.
    """
    tp, dp = _number(row, "tp_size", 1), _number(row, "attention_dp_size", 1)
    moe_tp, moe_ep = _number(row, "moe_tp_size", 1), _number(row, "moe_ep_size", 1)
    if moe_tp == moe_ep > 1 and tp * dp == moe_tp * moe_ep:
        g = int(moe_tp)
        return (Layout(1, g) if tp == 1 else Layout(g)), "expert parallelism was counted twice"
    if tp == dp > 1 and moe_ep == tp * dp and moe_tp == 1:
        return Layout(int(tp)), "data parallelism was counted beside the same cards"
    if not row.get("attention_dp_size") and moe_tp * moe_ep > tp:
        return Layout(int(tp), int(moe_tp * moe_ep / tp)), "data parallelism follows from the experts' cards"
    return Layout(int(tp), int(dp)), ""


def _of_aiconfigurator(row: Mapping[str, str], library: Library) -> Point:
    if row.get("mode") not in ("agg", None, ""):
        raise ValueError(f"mode {row['mode']}: prefill and decode apart are not read")
    if _number(row, "pp_size", 1) != 1:
        raise ValueError("pipeline parallel")
    layout, note = layout_of(row)
    precision = Precision.of(_precision(row.get("precision", ""), row["model_path"]))
    card = library.card(row["system"])
    if layout.tensor > 8 or layout.cards > 16:
        raise ValueError(f"{layout} in one row: prefill and decode apart, told as one")
    engine = Engine(row["backend"] or None, _years(row.get("measured", "")))
    stack = Stack(library.model(row["model_path"]), card, layout, precision, engine)
    concurrency = _number(row, "concurrency", _number(row, "batch_size", 0))
    load = Load(_number(row, "isl", 0), _number(row, "osl", 0), concurrency)
    return _checked(
        Point(
            stack,
            load,
            _positive(row, "ttft_ms"),
            _positive(row, "tpot_ms"),
            None,
            row.get("backend_version", ""),
            row.get("measured", ""),
            note,
        )
    )


def _of_table(row: Mapping[str, str], library: Library) -> Point:
    engine = (row.get("engine") or "").lower() or None
    if engine is not None and engine not in ENGINES:
        raise ValueError(f"engine {engine}, known: {', '.join(ENGINES)}")
    cards = _number(row, "cards", 0)
    layout = Layout(int(_number(row, "tensor", cards or 1)), int(_number(row, "data", 1)))
    stack = Stack(
        library.model(row["model"]),
        library.card(row["card"]),
        layout,
        Precision.of(_precision(row.get("precision", ""), row["model"])),
        Engine(engine, _years(row.get("measured", ""))),
    )
    load = Load(_number(row, "input_tokens", 0), _number(row, "output_tokens", 0), _number(row, "concurrency", 0))
    total = _number(row, "tokens_per_s", math.nan)
    tokens = None if math.isnan(total) else total / (cards or layout.cards)
    both = [None if row.get(name) in (None, "") else _positive(row, name) for name in ("ttft_ms", "tpot_ms")]
    return _checked(Point(stack, load, both[0], both[1], tokens, row.get("version", ""), row.get("measured", "")))


def _checked(point: Point) -> Point:
    load = point.load
    if load.input_tokens <= 0 or load.output_tokens <= 0:
        raise ValueError("no input or output tokens")
    timed = point.ttft_ms is not None and point.tpot_ms is not None and load.concurrency > 0
    if not timed and point.tokens_per_s is None:
        raise ValueError("neither ttft_ms and tpot_ms with a concurrency, nor tokens_per_s")
    stack = point.stack
    if stack.card.missing():
        raise ValueError(f"{', '.join(stack.card.missing())} of {stack.card.id} not known")
    if most_requests(stack.model, stack.card, stack.layout, stack.precision, load) <= 0:
        raise ValueError(f"{stack} does not fit: the row's layout must be wrong")
    return point


def _precision(text: str, name: str) -> PrecisionName:
    stated = text.strip().lower()
    if stated in ("bf16", "fp16", "float16"):
        return "bf16"
    if stated in ("fp8", "fp8_block"):
        return "fp8"
    if stated in ("fp4", "nvfp4", "mxfp4"):
        return "fp4"
    if stated:
        raise ValueError(f"precision {text}, known: bf16, fp8, fp4")
    upper = name.upper()
    return "fp4" if "FP4" in upper or "GPT-OSS" in upper else "fp8" if "FP8" in upper else "bf16"


def _years(text: str) -> float:
    return (date.fromisoformat(text) - EPOCH).days / 365.25 if text else UNDATED_YEARS


def _number(row: Mapping[str, str], name: str, default: float) -> float:
    text = row.get(name)
    return float(text) if text not in (None, "") else default


def _positive(row: Mapping[str, str], name: str) -> float:
    value = float(row[name])
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} {row[name]}")
    return value


def distinct(points: Sequence[Point]) -> list[Point]:
    """Without rows that repeat another's figures: of those, the one with the fewest cards."""
    best: dict[tuple[object, ...], Point] = {}
    for point in points:
        s = point.stack
        key = (s.model.id, s.card.id, s.engine.name, s.precision, point.load, point.ttft_ms, point.tpot_ms)
        if key not in best or s.layout.cards < best[key].stack.layout.cards:
            best[key] = point
    return list(best.values())
