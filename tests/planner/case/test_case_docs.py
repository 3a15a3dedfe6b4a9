"""The pages on the case say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from planner.case import Block, Case
from planner.case.fault import blocks_in
from planner.case.file import read_case
from planner.case.network import latency_ms

ROOT = Path(__file__).parents[3]


def every_block() -> list[type[BaseModel]]:
    out: list[type[BaseModel]] = []
    waiting: list[type[BaseModel]] = [Case]
    while waiting:
        block = waiting.pop()
        if block not in out:
            out.append(block)
            waiting += [inner for field in block.model_fields.values() for inner in blocks_in(field.annotation)]
    return out


def test_every_field_stands_on_the_page_of_the_case() -> None:
    words = set(re.findall(r"[a-z0-9_]+", (ROOT / "docs" / "case.md").read_text(encoding="utf-8")))
    missing = [f"{b.__name__}.{name}" for b in every_block() for name in b.model_fields if name not in words]
    assert missing == []
    assert all(issubclass(block, Block) for block in every_block())


def test_the_tiny_page_quotes_every_line_of_the_tiny_case() -> None:
    page = (ROOT / "docs" / "tiny.md").read_text(encoding="utf-8")
    quoted = "\n".join(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)).splitlines()
    lines = (ROOT / "examples" / "tiny" / "case.yaml").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line.strip() and not line.startswith("#")]
    assert [line for line in quoted if line.strip()] == wanted


def test_the_tiny_page_has_the_latencies_of_the_tiny_case() -> None:
    rows = re.findall(r"^\| (?:North|East|South) .*$", (ROOT / "docs" / "tiny.md").read_text("utf-8"), re.MULTILINE)
    told = [[float(re.match(r"[\d.]+", cell.strip())[0]) for cell in row.split("|")[2:5]] for row in rows]  # type: ignore[index]
    assert np.array(told) == pytest.approx(latency_ms(read_case(ROOT / "examples" / "tiny" / "case.yaml")), abs=0.051)
