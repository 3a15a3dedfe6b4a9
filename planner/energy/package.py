"""The ledger as a data product: CSV tables with a datapackage.json that describes, classifies, judges and hashes them.

The descriptor follows the Data Package standard (Frictionless Data, version 1: resources with path, bytes, hash and
table schema), with three blocks of its own: classification, provenance and quality. The same ledger gives the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner.case import Case
from planner.case.file import case_hash
from planner.energy.ledger import Ledger
from planner.energy.metered import Metered
from planner.energy.reconcile import Reconciliation
from planner.plan.tables import Table

CLASSIFICATIONS = {
    "public": "公开: may be read by anyone",
    "internal": "内部: for the operator's own people",
    "restricted": "受限: for named receivers under agreement",
    "important": "重要数据: important data in the sense of the Data Security Law; assessed before it leaves",
    "core": "核心数据: core data in the sense of the Data Security Law; does not leave",
}
"""Labels and what they mean. Choosing one is the owner's duty; nothing here decides whether data is important."""

DESCRIPTOR = "datapackage.json"
_ENERGY_PATHS = ("/sites", "/tariffs", "/module_types", "/fleet", "/policy", "/workloads")


@dataclass(frozen=True)
class Quality:
    """One rule of the quality report: what is asked, rows looked at, rows that break it, and the first of them."""

    rule: str
    sentence: str
    rows: int
    broken: int
    detail: str

    @property
    def ok(self) -> bool:
        """No row breaks the rule."""
        return self.broken == 0


@dataclass(frozen=True)
class Edition:
    """version: of the data product, "major.minor.patch". created: the day it is handed over, so that the bytes depend
    on nothing else. classification: one of CLASSIFICATIONS. provenance: what the ledger was made from (a plan's
    `provenance`, a replay's course)."""

    version: str
    created: date
    classification: str
    provenance: Mapping[str, Any]


def write_package(
    folder: Path,
    ledger: Ledger,
    edition: Edition,
    *,
    metered: Metered | None = None,
    reconciliation: Reconciliation | None = None,
) -> dict[str, Any]:
    """Write the package into `folder` (made if needed) and return its descriptor. Raises ValueError with every fault of
    the edition."""
    version, created, classification = edition.version, edition.created, edition.classification
    faults = []
    parts = version.split(".")
    if len(parts) != 3 or not all(p.isdigit() for p in parts):
        faults.append(f"version: found {version!r}, allowed major.minor.patch in whole numbers")
    if classification not in CLASSIFICATIONS:
        faults.append(f"classification: found {classification!r}, allowed one of {', '.join(CLASSIFICATIONS)}")
    if faults:
        raise ValueError("; ".join(faults))
    folder.mkdir(parents=True, exist_ok=True)
    tables = ledger.tables() | (reconciliation.tables() if reconciliation is not None else {})
    currency = ledger.case.meta.currency
    resources = [_write(folder, table, frame, currency) for table, frame in tables.values()]
    digest = hashlib.sha256("".join(f"{r['name']}:{r['hash']};" for r in resources).encode()).hexdigest()
    sources = [_source(s) for s in _sources(ledger.case)]
    quality = quality_report(ledger, created, metered, reconciliation)
    descriptor: dict[str, Any] = {
        "profile": "tabular-data-package",
        "name": "energy-ledger",
        "id": f"sha256:{digest}",
        "title": f"Energy ledger: {ledger.case.meta.name}",
        "description": (
            f"{ledger.basis.capitalize()} energy, cost, PUE and emissions of {ledger.sites['site'].nunique()} sites, "
            f"{ledger.case.horizon.start} to {ledger.case.horizon.end}; money in {currency}, undiscounted."
        ),
        "version": version,
        "created": created.isoformat(),
        "keywords": ["energy", "PUE", "carbon", "data centre", "AI computing"],
        "classification": {"label": classification, "meaning": CLASSIFICATIONS[classification]},
        "provenance": {
            "basis": ledger.basis,
            "case": case_hash(ledger.case),
            "case_as_of": ledger.case.meta.as_of.isoformat(),
            "demand_generated": ledger.case.meta.generated_demand,
            "inputs": dict(edition.provenance),
        },
        "sources": sources,
        "quality": {
            "ok": all(q.ok for q in quality),
            "rules": [asdict(q) | {"ok": q.ok} for q in quality],
        },
        "resources": resources,
    }
    text = json.dumps(descriptor, ensure_ascii=False, indent=1, allow_nan=False, default=str) + "\n"
    (folder / DESCRIPTOR).write_text(text, encoding="utf-8")
    return descriptor


def package_files(folder: Path) -> list[str]:
    """The files of a package that was written into a folder, by its descriptor; none where there is none."""
    try:
        descriptor = json.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
        names = [str(resource["path"]) for resource in descriptor["resources"]]
    except (OSError, ValueError, KeyError, TypeError):
        names = []
    return [DESCRIPTOR, *(name for name in names if Path(name).name == name)]


def check_package(folder: Path) -> list[str]:
    """Every way in which a package differs from what its descriptor says; empty when it is whole."""
    try:
        descriptor = json.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
        resources = descriptor["resources"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        return [f"{DESCRIPTOR}: cannot be read ({fault})"]
    try:
        return _differences(folder, descriptor, resources)
    except (KeyError, TypeError, AttributeError) as fault:
        return [f"{DESCRIPTOR}: a resource is not described in full ({fault!r})"]


def _differences(folder: Path, descriptor: dict[str, Any], resources: list[dict[str, Any]]) -> list[str]:
    faults = []
    for resource in resources:
        name, path = resource["name"], folder / resource["path"]
        if not path.is_file() or path.parent != folder:
            faults.append(f"{name}: {resource['path']} is not there")
            continue
        data = path.read_bytes()
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != resource["hash"] or len(data) != resource["bytes"]:
            faults.append(f"{name}: {len(data)} bytes with {found[:19]}…, described {resource['bytes']} bytes with {resource['hash'][:19]}…")  # fmt: skip # noqa: E501
        columns = data.split(b"\n", 1)[0].decode().strip().split(",")
        described = [f["name"] for f in resource["schema"]["fields"]]
        if columns != described:
            faults.append(f"{name}: columns {columns}, described {described}")
    digest = hashlib.sha256("".join(f"{r['name']}:{r['hash']};" for r in resources).encode()).hexdigest()
    if descriptor.get("id") != f"sha256:{digest}":
        faults.append("id: does not belong to these resources")
    return faults


def _write(folder: Path, table: Table, frame: pd.DataFrame, currency: str) -> dict[str, Any]:
    body = frame.to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()
    path = folder / f"{table.name}.csv"
    path.write_bytes(body)
    fields = []
    for column in table.columns:
        item = {"name": column.name, "type": column.kind, "description": column.description}
        if column.unit:
            item["unit"] = column.unit.replace("currency", currency)
        fields.append(item)
    key = [c for c in ("period", "site", "band") if c in frame.columns]
    return {
        "profile": "tabular-data-resource",
        "name": table.name,
        "title": table.title,
        "path": path.name,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(body),
        "hash": f"sha256:{hashlib.sha256(body).hexdigest()}",
        "rows": len(frame),
        "schema": {"fields": fields, "primaryKey": key, "missingValues": [""]},
    }


def _sources(case: Case) -> list[Any]:
    return [s for s in case.meta.sources if s.path.startswith(_ENERGY_PATHS)]


def _source(source: Any) -> dict[str, str]:
    """A source of the case as an entry of `sources`, with its mark."""
    out = {"title": source.source, "covers": source.path, "mark": source.mark}
    return out | ({"date": source.date} if source.date else {})


def quality_report(
    ledger: Ledger, created: date, metered: Metered | None, reconciliation: Reconciliation | None
) -> list[Quality]:
    """Completeness, consistency, plausibility, provenance and timeliness of what is handed over."""
    sites, bands = ledger.sites, ledger.bands
    where = sites["site"].astype(str) + " in " + sites["label"].astype(str)
    numbers = sites[["it_kwh", "facility_kwh", "energy_cost", "demand_charge", "location_tonnes", "market_tonnes"]]
    bad = ~np.isfinite(numbers.to_numpy(float)).all(axis=1) | (numbers.to_numpy(float) < -1e-9).any(axis=1)
    rules = [_rule("complete", "Every site and period has finite figures of at least 0.", bad, where)]
    short = np.array([c < 1 - 1e-9 for c in ledger.covered.values()])
    named = pd.Series([ledger.case.horizon.period_label(t) for t in ledger.covered], dtype=object)
    rules.append(_rule("whole_periods", "Every period is covered in full.", short, named))
    total = bands.groupby(["period", "site"])[["facility_kwh", "cost"]].sum()
    own = sites.set_index(["period", "site"])[["facility_kwh", "energy_cost"]]
    total = total.reindex(own.index, fill_value=0.0)
    off = ~np.isclose(total.to_numpy(float), own.to_numpy(float), rtol=1e-9, atol=1e-6).all(axis=1)
    rules.append(_rule("bands_add_up", "Bands add up to the site's energy and cost.", off, where))
    pue = sites["pue"].to_numpy(float)
    rules.append(_rule("pue_range", "PUE lies between 1 and 2.5.", (pue < 1 - 1e-9) | (pue > 2.5), where))
    limit = sites["pue_limit"].to_numpy(float)
    rules.append(_rule("pue_limit", "PUE stays within the site's limit.", pue > limit + 1e-9, where))
    marks = [s.mark for s in _sources(ledger.case)]
    weak = np.array([m in ("U", "A", "R") for m in marks], bool)
    titles = pd.Series([s.path for s in _sources(ledger.case)], dtype=object)
    rules.append(_rule("sourced", "Inputs are read, excerpted or computed, not recalled or assumed.", weak, titles))
    age = (created - ledger.case.meta.as_of).days
    late = np.array([age > 366 or age < 0])
    rules.append(_rule("timely", "The case is at most a year old on the day of the package.", late, pd.Series([f"{age} days"])))  # fmt: skip # noqa: E501
    if metered is not None:
        part = metered.sites
        names = part["site"].astype(str) + " in " + part["period"].map(ledger.case.horizon.period_label)
        thin = (part["covered"] < 0.95).to_numpy()
        rules.append(_rule("metered", "Readings cover at least 95 % of a period's hours.", thin, names))
        gaps = pd.Series(metered.gaps, dtype=float)
        where_gap = pd.Series([f"{s}: {h:g} h" for s, h in gaps.items()], dtype=object)
        rules.append(_rule("no_gaps", "Readings have no gaps.", (gaps > 0).to_numpy(), where_gap))
    if reconciliation is not None:
        lost = pd.Series([f"{s} in {t}: {why}" for t, s, why in reconciliation.unmatched], dtype=object)
        rules.append(_rule("matched", "Everything metered was planned, and the other way round.", np.ones(len(lost), bool), lost))  # fmt: skip # noqa: E501
    return rules


def _rule(name: str, sentence: str, bad: np.typing.NDArray[np.bool_], where: pd.Series[Any]) -> Quality:
    count = int(bad.sum())
    first = str(where.iloc[int(bad.argmax())]) if count else ""
    return Quality(name, sentence, len(bad), count, first)
