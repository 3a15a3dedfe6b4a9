"""What is finished of a comparison, by content: a crash repeats only what was not.

Every plan and every evaluation is kept under the hash of all that it was made from. A folder or file gets its final
name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from planner.arrays import IntArray
from planner.case.file import case_hash
from planner.demand import Demand
from planner.evaluate.dispatch import Dispatched
from planner.evaluate.evaluation import Evaluation
from planner.plan import Plan, demand_hash
from planner.scenarios.scenario import Rule
from planner.scenarios.worlds import World
from planner.solve import Limits

# Raise when the same inputs would give other results.
FORMAT = 4


def key_of(*parts: Any) -> str:
    """SHA-256 over JSON parts, as hex."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def demand_key(demand: Demand) -> str:
    """Hash of demand with its peaks and calendar."""
    peaks = hashlib.sha256(np.ascontiguousarray(np.stack([demand.p50_peak, demand.p90_peak])).tobytes())
    calendar = hashlib.sha256(np.ascontiguousarray(demand.days.calendar).tobytes())
    return key_of(demand_hash(demand), peaks.hexdigest(), calendar.hexdigest())


def world_key(world: World) -> str:
    """What plans of a world rest on: its case and the futures that they are optimised on."""
    return key_of(case_hash(world.case), demand_key(world.futures), demand_key(world.median))


def plan_key(world: str, rule: Rule, limits: Limits) -> str:
    """Hash of all that a plan is made from."""
    return key_of(world, rule.model_dump(mode="json"), limits.seconds, limits.gap, limits.seed, limits.route)


def evaluation_key(plan: str, evaluation: str, group: IntArray | None) -> str:
    """Hash of all that an evaluation is made from. group: (steps,)."""
    return key_of(plan, evaluation, None if group is None else group.tolist())


class Store:
    """Finished work in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            for part in ("plans", "evaluations", "values", "parts"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)

    def plan(self, key: str) -> Plan | None:
        """A kept plan."""
        found: Plan | None = self.read("plans", key, Plan.load)
        return found

    def keep_plan(self, key: str, plan: Plan) -> None:
        """Keep a plan."""
        self.write("plans", key, plan.write)

    def evaluation(self, key: str) -> Evaluation | None:
        """A kept evaluation."""
        found: Evaluation | None = self.read("evaluations", f"{key}.npz", Evaluation.load)
        return found

    def keep_evaluation(self, key: str, evaluation: Evaluation) -> None:
        """Keep an evaluation."""
        self.write("evaluations", f"{key}.npz", evaluation.save)

    def parts(self, key: str) -> KeptParts | None:
        """Where the finished tasks of an evaluation are kept until the whole is; None where nothing is kept."""
        return None if self.folder is None else KeptParts(self, key)

    def drop_parts(self, key: str) -> None:
        """Forget the parts of an evaluation that is whole."""
        if self.folder is not None:
            shutil.rmtree(self.folder / "parts" / key, ignore_errors=True)

    def value(self, key: str) -> Any:
        """A kept JSON value."""
        return self.read("values", f"{key}.json", lambda path: json.loads(path.read_text(encoding="utf-8")))

    def keep_value(self, key: str, value: Any) -> None:
        """Keep a JSON value."""
        self.write("values", f"{key}.json", lambda path: path.write_text(json.dumps(value), encoding="utf-8"))

    def prune(self, seconds: float) -> int:
        """Remove what nobody has made or asked for in so many seconds; returns how many plans, evaluations, values."""
        if self.folder is None:
            return 0
        old = time.time() - seconds
        gone = 0
        for path in self.folder.glob("*/*"):
            with suppress(FileNotFoundError):  # another comparison removes it meanwhile
                if path.stat().st_mtime < old:
                    gone += 1
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink()
        return gone

    def read(self, part: str, name: str, read: Callable[[Path], Any]) -> Any:
        """What was kept under a name; None where there is nothing that can be read."""
        if self.folder is None:
            return None
        path = self.folder / part / name
        if not path.exists():
            return None
        try:
            found = read(path)
            os.utime(path)  # asked for again: `prune` counts from here
            return found
        except (ValueError, KeyError, OSError):
            return None  # written by another version, or damaged: it is made again

    def write(self, part: str, name: str, write: Callable[[Path], Any]) -> None:
        """Keep what `write` writes, whole or not at all."""
        if self.folder is None:
            return
        path = self.folder / part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
        write(draft)
        if path.is_dir():
            shutil.rmtree(path)
        draft.replace(path)


@dataclass(frozen=True)
class KeptParts:
    """Finished tasks of one evaluation, as files of plain arrays (see `planner.evaluate.evaluation.evaluate_plans`)."""

    store: Store
    key: str

    def read(self, name: str) -> list[Dispatched] | None:
        """A finished task."""
        found: list[Dispatched] | None = self.store.read("parts", f"{self.key}/{name}.npz", _read_part)
        return found

    def write(self, name: str, part: list[Dispatched]) -> None:
        """Keep a finished task."""
        arrays = {f"{i}.{f.name}": getattr(one, f.name) for i, one in enumerate(part) for f in fields(Dispatched)}
        self.store.write("parts", f"{self.key}/{name}.npz", lambda path: np.savez(path, **arrays))


def _read_part(path: Path) -> list[Dispatched]:
    with np.load(path, allow_pickle=False) as stored:
        count = 1 + max(int(name.partition(".")[0]) for name in stored.files)
        return [Dispatched(**{f.name: stored[f"{i}.{f.name}"] for f in fields(Dispatched)}) for i in range(count)]
