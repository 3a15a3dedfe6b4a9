"""The long table: one row a moment and series."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import ROLES, Reading
from forecasts.history.formats.base import REGION, SERIES, TIME, UNIT, VALUE, WORKLOAD, Sheet, TableFormat, once
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed, note

NAMES = {"timestamp": TIME, "value": VALUE, "series": SERIES, "region": REGION, "workload": WORKLOAD, "unit": UNIT}


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    return any(name in names for name in TIME) and any(name in names for name in VALUE)


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """The columns by their roles; every other one is kept aside, because it may tell rows of one moment apart."""
    roles: dict[str, int | None] = {}
    for role in ROLES:
        wanted = asked.columns.get(role)
        roles[role] = sheet.place(wanted.strip().lower()) if wanted else sheet.place(*NAMES[role])
        if wanted and roles[role] is None:
            found = ", ".join(sheet.names) or "nothing"
            faults.append(fault_of(f"reading {role}", "fault.no_column", name=wanted, names=found))
    if "series" in asked.columns:
        roles["region"] = roles["workload"] = None
    once(sheet, roles, faults)
    paired = roles["region"] is not None and roles["workload"] is not None
    if paired:
        roles["series"] = None
    else:
        roles["region"] = roles["workload"] = None
    missing = [role for role in ("timestamp", "value") if roles[role] is None]
    used = {at for at in roles.values() if at is not None}
    rest = [at for at in range(len(sheet.names)) if at not in used]
    if not paired and roles["series"] is None and rest:
        missing.append("series, or region and workload")
    if missing:
        told = {"names": listed(sheet.names, 12) or "nothing", "missing": "; ".join(missing)}
        if rest:
            told["role"] = next((one for one in ("timestamp", "value", "series") if roles[one] is None), "series")
            told["column"] = sheet.names[rest[0]]
        key = "fault.columns_missing_other" if rest else "fault.columns_missing"
        faults.append(fault_of("header", key, **told))
    if faults:
        return None
    table = pd.DataFrame({role: sheet.frame[at] for role, at in roles.items() if at is not None})
    notes = []
    if not paired and roles["series"] is None:
        # Two columns, time and value: one series, called as its column is.
        table["series"] = sheet.names[roles["value"] or 0]
        notes.append(note("long.one", name=sheet.names[roles["value"] or 0]))
    labels = sheet.frame[rest].set_axis([sheet.names[at] for at in rest], axis=1)
    renamed = [
        note("long.column", role=role, name=sheet.names[at])
        for role, at in roles.items()
        if at is not None and sheet.names[at].strip().lower() != role
    ]
    if renamed:
        notes.append(note("long.columns", names=listed(renamed)))
    return Source(f"long table ({sheet.how})", table, labels, tuple(notes))


FORMAT = TableFormat("long table", fits, read)
