"""Case files: JSON or YAML with CSV tables beside them; written out whole, hashed and patched.

Where a case has a list of blocks, a file may have `{csv: sites.csv}`: one row a block, a column a field. A dotted
column (`names.zh`, `throughput.h20`) leads into the block, an empty cell leaves the field out, `;` stands between the
numbers of a list, and a cell that begins with `[` or `{` is JSON. The series of given demand may be a table
with the columns region, workload, period, day, step, value and, for several futures in one table, future.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from forecasts.fault import Fault, FaultsError
from planner.case.case import Case
from planner.case.document import DocumentError, number_of, read_document, read_json
from planner.case.fault import Location, blocks_in, faults_of, pointer_of

SERIES_COLUMNS = ("region", "workload", "period", "day", "step", "value")


class CaseError(FaultsError):
    """A case that cannot be used."""


def read_case(path: str | Path) -> Case:
    """The case in a JSON or YAML file, with the CSV tables that it names beside it.

    Raises CaseError with every fault: those of the files and tables, or, when these can be read, those of the case.
    """
    path = Path(path)
    document = _read_document(path)
    tables = _Tables(path.parent)
    filled = tables.fill(document)
    if tables.faults:
        raise CaseError(tables.faults)
    return case_from(filled, tables.rows)


def case_from(document: Any, notes: Mapping[Location, str] | None = None) -> Case:
    """The case in a plain document. Raises CaseError with every fault; `notes` say where its blocks came from."""
    try:
        return Case.model_validate(document)
    except ValidationError as error:
        raise CaseError(faults_of(error, document, notes=notes)) from error


def dump_case(case: Case) -> dict[str, Any]:
    """The case as a plain JSON document with every default written out."""
    return case.model_dump(mode="json")


def case_hash(case: Case) -> str:
    """SHA-256 of the case with its defaults, as hex: the same for the same content, however it was written."""
    text = json.dumps(dump_case(case), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` with a JSON merge patch applied (RFC 7396): null removes, objects merge, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = read_document(path, "a case")
    except DocumentError as error:
        raise CaseError(list(error.faults)) from error
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        allowed = "a mapping with meta, horizon, regions, sites, …"
        raise CaseError([Fault("", f"{found} at the top", allowed, "file", path.name)])
    return document


class _Tables:
    """Fills the tables of a document in; collects what is wrong with them and which row became which block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self.rows: dict[Location, str] = {}
        self._series: dict[str, list[tuple[int, dict[str, str]]]] = {}

    def fill(self, document: dict[str, Any]) -> dict[str, Any]:
        filled: dict[str, Any] = self._walk(document, Case, (), document)
        return filled

    def _walk(self, value: Any, annotation: Any, at: Location, document: dict[str, Any]) -> Any:
        blocks = blocks_in(annotation)
        if isinstance(value, dict) and set(value) == {"csv"} and at and len(blocks) == 1:
            name = value["csv"]
            rows = self._rows(name, at)
            if at[0] == "demand" and at[-1] == "series":
                return self._given_series(name, rows, at, document)
            return [self._block(name, line, row, blocks[0], (*at, i)) for i, (line, row) in enumerate(rows)]
        if isinstance(value, dict):
            fields = {name: f.annotation for block in blocks for name, f in block.model_fields.items()}
            return {
                key: self._walk(item, fields.get(key), (*at, key), document) if isinstance(item, (dict, list)) else item
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._walk(item, annotation, (*at, i), document) if isinstance(item, (dict, list)) else item
                for i, item in enumerate(value)
            ]
        return value

    def _fault(self, at: Location, note: str, found: str, allowed: str) -> None:
        self.faults.append(Fault(pointer_of(at), found, allowed, "table", note))

    def _rows(self, name: Any, at: Location) -> list[tuple[int, dict[str, str]]]:
        """(line number, cells that are not empty) of every row of a table; faults are noted and give no rows."""
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            self._fault(at, "", f"the table {name}", "a file name in the folder of the case")
            return []
        try:
            with (self.folder / name).open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                head = [cell.strip() for cell in next(reader, [])]
                lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            self._fault(at, name, f"a table that cannot be read ({error})", "a UTF-8 CSV file with a header")
            return []
        if not head or not all(head) or len(set(head)) != len(head):
            twice = sorted({h for h in head if head.count(h) > 1})
            found = f"the column {', '.join(twice)} twice" if twice and all(head) else "a column without a name"
            self._fault(at, name, found if head else "an empty table", "a header with every column named once")
            return []
        out = []
        for line, row in lines:
            if len(row) != len(head):
                self._fault(at, f"{name} line {line}", f"{len(row)} cells", f"{len(head)} cells, as in the header")
            else:
                out.append((line, {h: cell.strip() for h, cell in zip(head, row, strict=True) if cell.strip()}))
        return out

    def _block(self, name: str, line: int, row: dict[str, str], block: type[BaseModel], at: Location) -> Any:
        self.rows[at] = f"{name} line {line}"
        out: dict[str, Any] = {}
        for column, cell in row.items():
            place, annotation = out, None
            fields: Mapping[str, Any] = {k: f.annotation for k, f in block.model_fields.items()}
            *parents, last = column.split(".")
            for part in parents:
                annotation = fields.get(part)
                inner = place.setdefault(part, {})
                if not isinstance(inner, dict):
                    self._fault((*at, part), f"{name} line {line}", f"{part} and {column}", "one of the two columns")
                    inner = {}
                place = inner
                below = blocks_in(annotation)
                fields = {k: f.annotation for b in below for k, f in b.model_fields.items()}
            target = fields.get(last) if (fields or not parents) else _value_type(annotation)
            place[last] = _cell(cell, target)
        return out

    def _given_series(
        self, name: str, rows: list[tuple[int, dict[str, str]]], at: Location, document: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Series of one future from a long table; every (period, day, step) must stand exactly once."""
        axes = self._axes(document)
        if axes is None or not rows:
            return []
        index = [{label: i for i, labels in enumerate(axis) for label in labels} for axis in axes]
        shape = tuple(len(axis) for axis in axes)
        future = str(_future_of(document, at))
        values: dict[tuple[str, str], dict[tuple[int, ...], float]] = {}
        for line, row in rows:
            note = f"{name} line {line}"
            if row.get("future", future) != future:
                continue
            missing = [column for column in SERIES_COLUMNS if column not in row]
            if missing:
                self._fault(at, note, f"nothing in {', '.join(missing)}", "a value in every column")
                continue
            key = tuple(
                axis.get(row[column], -1) for axis, column in zip(index, ("period", "day", "step"), strict=True)
            )
            if -1 in key:
                found = ", ".join(f"{c} {row[c]}" for c, i in zip(("period", "day", "step"), key, strict=True) if i < 0)
                sizes = (
                    f"periods 0 to {shape[0] - 1}, days {', '.join(a[0] for a in axes[1])}, steps 0 to {shape[2] - 1}"
                )
                self._fault(at, note, found, sizes)
                continue
            number = number_of(row["value"])
            if number is None:
                self._fault(at, note, f"the value {row['value']}", "a number")
                continue
            series = values.setdefault((row["region"], row["workload"]), {})
            if key in series:
                again = ", ".join(f"{column} {row[column]}" for column in ("period", "day", "step"))
                self._fault(at, note, f"{again} again", "every step once")
            series[key] = number
        return [self._series_block(name, at, i, key, table, shape) for i, (key, table) in enumerate(values.items())]

    def _series_block(
        self,
        name: str,
        at: Location,
        i: int,
        key: tuple[str, str],
        table: dict[tuple[int, ...], float],
        shape: tuple[int, ...],
    ) -> dict[str, Any]:
        periods, days, steps = shape
        wanted = periods * days * steps
        if len(table) != wanted:
            found = f"{len(table)} of {wanted} steps of {key[0]} and {key[1]}"
            self._fault((*at, i), name, found, f"{periods} periods x {days} days x {steps} steps")
        self.rows[(*at, i)] = name
        grid = [[[table.get((t, d, h), 0.0) for h in range(steps)] for d in range(days)] for t in range(periods)]
        return {"region": key[0], "workload": key[1], "values": grid}

    def _axes(self, document: dict[str, Any]) -> tuple[list[list[str]], list[list[str]], list[list[str]]] | None:
        """The labels of every period (number, name), typical day (id, number) and step; None when they are unknown."""
        demand, horizon = document.get("demand"), document.get("horizon")
        days = demand.get("days") if isinstance(demand, dict) else None
        periods = horizon.get("periods") if isinstance(horizon, dict) else None
        if not isinstance(days, list) or not isinstance(periods, int):
            return None  # the case itself will say what is missing
        steps = demand.get("step_hours", [1.0] * 24) if isinstance(demand, dict) else []
        ids = [str(day.get("id", i)) if isinstance(day, dict) else str(i) for i, day in enumerate(days)]
        return (
            [[str(t)] for t in range(periods)],
            [[name] if str(i) in ids else [name, str(i)] for i, name in enumerate(ids)],
            [[str(h)] for h in range(len(steps) if isinstance(steps, list) else 0)],
        )


def _future_of(document: dict[str, Any], at: Location) -> Any:
    try:
        return document["demand"]["futures"][at[2]].get("id", "base")
    except (LookupError, TypeError, AttributeError):
        return "base"


def _cell(cell: str, annotation: Any) -> Any:
    """What a cell means for a field of this type; text that is no number stays text, for the case to judge."""
    kinds = set(_leaves(annotation))
    if cell[0] in "[{":
        try:
            return read_json(cell)
        except DocumentError:
            return cell
    if get_origin(_bare(annotation)) is list or (kinds & {float, int} and ";" in cell):
        inner = next(iter(get_args(_bare(annotation))), annotation)
        return [_cell(part.strip(), inner) if part.strip() else None for part in cell.split(";")]
    if bool in kinds and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if kinds & {float, int} or not kinds:
        number = number_of(cell)
        return cell if number is None else number
    return cell


def _bare(annotation: Any) -> Any:
    """An annotation without its constraints and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    rest = [a for a in get_args(annotation) if a is not NoneType]
    if len(rest) == 1 and NoneType in get_args(annotation):
        return _bare(rest[0])
    return annotation


def _value_type(annotation: Any) -> Any:
    """The type of the values of a mapping."""
    bare = _bare(annotation)
    return get_args(bare)[1] if get_origin(bare) is dict else None


def _leaves(annotation: Any) -> Iterator[type]:
    if annotation is None:
        return
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _leaves(inner[0])
    elif inner:
        for part in inner:
            yield from _leaves(part)
    elif isinstance(annotation, type) and annotation in (float, int, bool, str, date):
        yield annotation
