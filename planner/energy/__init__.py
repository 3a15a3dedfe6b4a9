"""The energy ledger: what every site draws, pays and emits, planned or replayed, against what its meters say.

A ledger comes from a plan or a replay, is reconciled with metered energy, and is handed over as a data package that
describes and hashes itself. Energy in kWh, carbon in tonnes, money in the case's currency, undiscounted.
"""

from __future__ import annotations

from planner.energy.ledger import Ledger, plan_ledger, replay_ledger
from planner.energy.metered import Metered, read_metered
from planner.energy.package import CLASSIFICATIONS, Edition, check_package, package_files, write_package
from planner.energy.reconcile import Reconciliation, reconcile

__all__ = [
    "CLASSIFICATIONS",
    "Edition",
    "Ledger",
    "Metered",
    "Reconciliation",
    "check_package",
    "package_files",
    "plan_ledger",
    "read_metered",
    "reconcile",
    "replay_ledger",
    "write_package",
]
