"""Names and lengths in a case document: every id stands once, every reference leads somewhere, every list fits.

These checks read the plain document, so that they answer together with the faults of single fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from planner.case.fault import CrossFault, Location, among

# Patterns lead through the document: "*" is every entry of a list, "@" every key of a mapping (last: the key itself).
ID_LISTS = (
    ("regions",),
    ("sites",),
    ("module_types",),
    ("leases",),
    ("agreements",),
    ("workloads",),
    ("campaigns",),
    ("tariffs",),
    ("demand", "days"),
    ("demand", "futures"),
)
REFERENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("sites", "*", "tariff"), "tariffs"),
    (("fleet", "*", "site"), "sites"),
    (("fleet", "*", "module_type"), "module_types"),
    (("fleet", "*", "may_move_to", "*"), "sites"),
    (("leases", "*", "site"), "sites"),
    (("leases", "*", "module_type"), "module_types"),
    (("agreements", "*", "module_types", "*"), "module_types"),
    (("module_types", "*", "allowed_sites", "*"), "sites"),
    (("module_types", "*", "opex_at", "@"), "sites"),
    (("workloads", "*", "throughput", "@"), "module_types"),
    (("workloads", "*", "large_pools", "@"), "module_types"),
    (("workloads", "*", "allowed_sites", "*"), "sites"),
    (("workloads", "*", "residency", "@"), "regions"),
    (("workloads", "*", "residency", "@", "*"), "sites"),
    (("campaigns", "*", "speed", "@"), "module_types"),
    (("campaigns", "*", "allowed_sites", "*"), "sites"),
    (("network", "latency_ms", "@"), "regions"),
    (("network", "latency_ms", "@", "@"), "sites"),
    (("network", "transfer_cost_per_gb", "@"), "regions"),
    (("network", "transfer_cost_per_gb", "@", "@"), "sites"),
    (("network", "bandwidth_gbps", "@"), "regions"),
    (("network", "bandwidth_gbps", "@", "@"), "sites"),
    (("policy", "vendor_share_cap", "@"), "vendors"),
    (("policy", "max_module_types", "@"), "sites"),
    (("policy", "resilience", "workloads", "*"), "workloads"),
    (("policy", "resilience", "sites", "*"), "sites"),
    (("history_mapping", "*", "workload"), "workloads"),
    (("history_mapping", "*", "region"), "regions"),
    (("history_mapping", "*", "share", "@"), "regions"),
    (("demand", "futures", "*", "series", "*", "workload"), "workloads"),
    (("demand", "futures", "*", "series", "*", "region"), "regions"),
)
PER_PERIOD: tuple[tuple[str, ...], ...] = (
    ("sites", "*", "power_mw"),
    ("sites", "*", "space_racks"),
    ("module_types", "*", "capex"),
    ("module_types", "*", "opex"),
    ("module_types", "*", "opex_at", "@"),
    ("module_types", "*", "supply"),
    ("module_types", "*", "order_cost"),
    ("module_types", "*", "resale_price"),
    ("module_types", "*", "moving_cost"),
    ("leases", "*", "price_per_module_period"),
    ("leases", "*", "maximum_modules"),
    ("network", "bandwidth_gbps", "@", "@"),
    ("policy", "budget"),
    ("policy", "carbon_price_per_tonne"),
    ("policy", "carbon_cap_tonnes"),
    ("policy", "green_share_floor"),
    ("policy", "domestic_share_floor"),
    ("policy", "build_ahead", "minimum"),
    ("policy", "build_ahead", "maximum"),
    ("policy", "capacity_targets_eflops"),
    ("policy", "utilisation_floor"),
    ("demand", "days", "*", "weight_days"),
)


def plain(value: Any) -> Any:
    """The document behind a value: block objects become mappings, everything else stays."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not (value and isinstance(value[0], (int, float))):
        return [plain(item) for item in value]
    return value


def walk(document: Any, pattern: tuple[str, ...], at: Location = ()) -> Iterator[tuple[Location, Any]]:
    """(location, value) of everything in a plain document that a pattern leads to; a last "@" gives the keys."""
    if not pattern:
        yield at, document
    elif pattern[0] == "*":
        if isinstance(document, (list, tuple)):
            for i, item in enumerate(document):
                yield from walk(item, pattern[1:], (*at, i))
    elif isinstance(document, Mapping):
        if pattern[0] == "@":
            for key, item in document.items():
                if len(pattern) == 1:
                    yield (*at, key), key
                else:
                    yield from walk(item, pattern[1:], (*at, key))
        elif pattern[0] in document:
            yield from walk(document[pattern[0]], pattern[1:], (*at, pattern[0]))


def known_ids(document: Any) -> dict[str, set[str]]:
    """The ids of every list of blocks, and the vendors, also of blocks that are faulty in other fields."""
    out = {
        pattern[-1]: {v for _, v in walk(document, (*pattern, "*", "id")) if isinstance(v, str)} for pattern in ID_LISTS
    }
    out["vendors"] = {v for _, v in walk(document, ("module_types", "*", "vendor")) if isinstance(v, str) and v}
    return out


def reference_faults(document: Any) -> list[CrossFault]:
    """Duplicate ids, references to unknown ids, and lists whose length is not the number of periods."""
    return [*_duplicates(document), *_unknown(document), *_lengths(document)]


def _duplicates(document: Any) -> Iterator[CrossFault]:
    for pattern in ID_LISTS:
        first: dict[str, int] = {}
        for location, name in walk(document, (*pattern, "*", "id")):
            if not isinstance(name, str):
                continue
            place = location[-2]
            if name in first:
                found = f"the id {name} again (first at entry {first[name]})"
                yield CrossFault(location, found, "every id once", "duplicate_id", name)
            else:
                first[name] = int(place)


def _unknown(document: Any) -> Iterator[CrossFault]:
    known = known_ids(document)
    for pattern, what in REFERENCES:
        for location, name in walk(document, pattern):
            if isinstance(name, str) and name not in known[what]:
                label = what.replace("_", " ")
                yield CrossFault(
                    location, f"the unknown {label[:-1]} {name}", among(known[what], name, label), "unknown_id", name
                )


def _lengths(document: Any) -> Iterator[CrossFault]:
    periods = next((v for _, v in walk(document, ("horizon", "periods"))), None)
    if not isinstance(periods, int) or isinstance(periods, bool) or periods < 1:
        return
    for pattern in PER_PERIOD:
        for location, value in walk(document, pattern):
            if isinstance(value, (list, tuple)) and len(value) != periods:
                yield CrossFault(
                    location,
                    f"{len(value)} numbers for {periods} periods",
                    f"one number for all periods, or {periods} numbers",
                    "period_count",
                    value,
                )
