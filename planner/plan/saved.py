"""Results in a folder: a JSON head with its format, and tables as Parquet and CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write every table as Parquet and CSV into `folder`/tables."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet", index=False, compression="zstd")
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The named tables of `folder`/tables. ValueError for one that is missing or cannot be read."""
    try:
        return {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in names}
    except (OSError, ValueError) as fault:
        raise ValueError(f"{folder} is damaged: {fault}") from fault


def tables_of(folder: Path) -> frozenset[str]:
    """The names of the tables that `folder` was written with, by its schema. ValueError where that cannot be read."""
    try:
        described = json.loads((folder / "tables" / "schema.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ValueError(f"{folder} is damaged: {fault}") from fault
    return frozenset(table["name"] for table in described["resources"])


def write_json(path: Path, value: object) -> None:
    """Readable UTF-8 JSON. Raises ValueError for NaN and infinity."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str, allow_nan=False), encoding="utf-8")


def finite(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: what is not known (a bound or gap that is not finite) is null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in certificate.items()}


def unproven(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """What `finite` wrote, as it was: no bound is one of -inf, no gap one of inf."""
    none = {"bound": -math.inf, "gap": math.inf}
    return {k: none.get(k) if v is None else v for k, v in certificate.items()}


def read_head(folder: Path, what: str, version: int) -> dict[str, Any]:
    """The head of a plan or comparison ("plan": plan.json). ValueError when it is missing or of another format."""
    try:
        head: dict[str, Any] = json.loads((folder / f"{what}.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as fault:
        raise ValueError(f"{folder} holds no {what}: {fault}") from fault
    if head.get("format") != version:
        raise ValueError(f"{folder}: {what} format {head.get('format')}, this version reads {version}")
    return head
