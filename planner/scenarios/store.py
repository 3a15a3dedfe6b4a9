"""What is finished of a comparison, by content: a crash repeats only what was not.

Every plan and every evaluation is kept under the hash of all that it was made from. A folder or file gets its final
name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from planner.casefile import case_hash
from planner.demand import Demand
from planner.evaluation import Evaluation
from planner.plan import Plan, demand_hash
from planner.program.blocks import IntArray
from planner.scenarios.scenario import Rule
from planner.scenarios.worlds import World
from planner.solve import Limits

# Raise when the same inputs would give other results.
FORMAT = 1


def key_of(*parts: Any) -> str:
    """SHA-256 over JSON parts, as hex."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def demand_key(demand: Demand) -> str:
    peaks = hashlib.sha256(np.ascontiguousarray(np.stack([demand.p50_peak, demand.p90_peak])).tobytes())
    calendar = hashlib.sha256(np.ascontiguousarray(demand.days.calendar).tobytes())
    return key_of(demand_hash(demand), peaks.hexdigest(), calendar.hexdigest())


def world_key(world: World) -> str:
    """What plans of a world rest on: its case and the futures that they are optimised on."""
    return key_of(case_hash(world.case), demand_key(world.futures), demand_key(world.median))


def plan_key(world: str, rule: Rule, limits: Limits) -> str:
    return key_of(world, rule.model_dump(mode="json"), limits.seconds, limits.gap, limits.seed, limits.route)


def evaluation_key(plan: str, evaluation: str, group: IntArray | None) -> str:
    return key_of(plan, evaluation, None if group is None else group.tolist())


class Store:
    """Finished work in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            for part in ("plans", "evaluations", "values"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)

    def plan(self, key: str) -> Plan | None:
        found: Plan | None = self._read("plans", key, Plan.load)
        return found

    def keep_plan(self, key: str, plan: Plan) -> None:
        self._write("plans", key, plan.save)

    def evaluation(self, key: str) -> Evaluation | None:
        found: Evaluation | None = self._read("evaluations", f"{key}.npz", Evaluation.load)
        return found

    def keep_evaluation(self, key: str, evaluation: Evaluation) -> None:
        self._write("evaluations", f"{key}.npz", evaluation.save)

    def value(self, key: str) -> Any:
        return self._read("values", f"{key}.json", lambda path: json.loads(path.read_text(encoding="utf-8")))

    def keep_value(self, key: str, value: Any) -> None:
        self._write("values", f"{key}.json", lambda path: path.write_text(json.dumps(value), encoding="utf-8"))

    def _read(self, part: str, name: str, read: Callable[[Path], Any]) -> Any:
        if self.folder is None:
            return None
        path = self.folder / part / name
        if not path.exists():
            return None
        try:
            return read(path)
        except (ValueError, KeyError, OSError):
            return None  # written by another version, or damaged: it is made again

    def _write(self, part: str, name: str, write: Callable[[Path], Any]) -> None:
        if self.folder is None:
            return
        path = self.folder / part / name
        draft = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
        write(draft)
        if path.is_dir():
            shutil.rmtree(path)
        draft.replace(path)
