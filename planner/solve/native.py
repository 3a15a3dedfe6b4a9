"""Plain arrays into OR-Tools and back, without a Python loop over columns or coefficients.

The model is written straight in the wire format of math_opt's `ModelProto` (0.16 s for a quarter of a million columns;
expressions take 5 s), and given to math_opt's raw layer, which passes messages, an interrupter, hints and bases, and
whose failures can be told apart. Wire format: protobuf encoding guide, packed repeated fields.

What each solver may be used for (OR-Tools 9.15): SCIP for whole numbers, it stops within a second when interrupted;
HiGHS for cold linear models, it ignores the interrupter, so that it must run where it can be killed or be short; GLOP
for linear models that are solved again and again from the last basis. CP-SAT is not offered: it takes continuous
columns for whole ones and calls a wrong value optimal.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt import (
    callback_pb2,
    model_parameters_pb2,
    model_pb2,
    model_update_pb2,
    parameters_pb2,
    result_pb2,
    solution_pb2,
    sparse_containers_pb2,
)
from ortools.math_opt.core.python import solver as raw
from ortools.util.python.pybind_solve_interrupter import PySolveInterrupter as Interrupter

from planner.arrays import FloatArray
from planner.program.blocks import Arrays

__all__ = [
    "Incremental",
    "Interrupter",
    "Outcome",
    "Settings",
    "carried_basis",
    "encode",
    "money_factor",
    "run",
    "scip_bound",
]

SolverName = Literal["scip", "highs", "glop"]
Status = Literal[
    "optimal", "feasible", "infeasible", "unbounded", "infeasible_or_unbounded", "no_solution", "numerical_error"
]

# GLOP may go round in circles for ever (a day of the national example did, for twelve minutes). It is ended after so
# many iterations and one for every row and column: four times what any of 1,243 solves of that example took, 3 s at
# most. The clock is for the case that it turns without iterations.
_LEAST_ITERATIONS = 1_000
_LONGEST_S = 60.0

_SOLVERS = {
    "scip": parameters_pb2.SOLVER_TYPE_GSCIP,
    "highs": parameters_pb2.SOLVER_TYPE_HIGHS,
    "glop": parameters_pb2.SOLVER_TYPE_GLOP,
}
_STATUSES: dict[int, Status] = {
    result_pb2.TERMINATION_REASON_OPTIMAL: "optimal",
    result_pb2.TERMINATION_REASON_INFEASIBLE: "infeasible",
    result_pb2.TERMINATION_REASON_UNBOUNDED: "unbounded",
    result_pb2.TERMINATION_REASON_INFEASIBLE_OR_UNBOUNDED: "infeasible_or_unbounded",
    # "imprecise": optimal within tolerances that were not met; a plan that the caller may check, but not a proof
    result_pb2.TERMINATION_REASON_IMPRECISE: "feasible",
    result_pb2.TERMINATION_REASON_FEASIBLE: "feasible",
    result_pb2.TERMINATION_REASON_NO_SOLUTION_FOUND: "no_solution",
    result_pb2.TERMINATION_REASON_NUMERICAL_ERROR: "numerical_error",
    result_pb2.TERMINATION_REASON_OTHER_ERROR: "numerical_error",
}


# SCIP's mixed-integer-rounding cuts cut off true optima in this wheel (docs/decisions/0002): never use them.
SCIP_SOUND: tuple[tuple[str, bool | int | float | str], ...] = (
    ("separating/cmir/freq", -1),
    ("separating/aggregation/freq", -1),
)


@dataclass(frozen=True)
class Settings:
    """How one native solve runs. gap: relative; None leaves the solver's own. hint: (columns,) a start for SCIP.

    basis: an opaque basis of an earlier `Outcome`, used by GLOP; primal: GLOP's primal simplex, not its dual one.
    cpu_clock: SCIP's seconds are those of its processor time, so that what it reaches does not depend on what else
    runs. options: the solver's own settings by name.
    """

    solver: SolverName
    seconds: float | None = None
    gap: float | None = None
    seed: int | None = None
    threads: int | None = None
    hint: FloatArray | None = None
    basis: Any = None
    preprocessing: bool = True
    primal: bool = False
    node_limit: int | None = None
    iterations: int | None = None
    cutoff: float | None = None
    cpu_clock: bool = False
    options: tuple[tuple[str, bool | int | float | str], ...] = ()

    def parameters(self, factor: float = 1.0) -> Any:
        """As MathOpt takes them; factor: unit of the objective."""
        p = parameters_pb2.SolveParametersProto()
        if self.seconds is not None:
            p.time_limit.FromTimedelta(datetime.timedelta(seconds=max(self.seconds, 0.01)))
        if self.gap is not None:
            p.relative_gap_tolerance = self.gap
        if self.seed is not None:
            p.random_seed = self.seed
        if self.threads is not None and self.solver == "highs":
            p.threads = self.threads
        if self.node_limit is not None:
            p.node_limit = self.node_limit
        if self.iterations is not None:
            p.iteration_limit = self.iterations
        if self.cutoff is not None:
            p.cutoff_limit = self.cutoff * factor
        if self.solver == "glop":
            p.glop.use_preprocessing = self.preprocessing
            p.glop.use_dual_simplex = not self.primal
        if self.solver in ("scip", "highs"):
            own = p.gscip if self.solver == "scip" else p.highs
            options = (
                (*self.options, ("timing/clocktype", 1)) if self.cpu_clock and self.solver == "scip" else self.options
            )
            if self.solver == "scip":
                options = (*SCIP_SOUND, *options)
            for name, value in options:
                kind = {bool: "bool", int: "int", float: "double" if self.solver == "highs" else "real", str: "string"}
                suffix = "options" if self.solver == "highs" else "params"
                getattr(own, f"{kind[type(value)]}_{suffix}")[name] = value
        return p

    def start(self) -> Any:
        """Basis and solution to begin from, as MathOpt takes them."""
        m = model_parameters_pb2.ModelSolveParametersProto()
        if self.basis is not None:
            m.initial_basis.CopyFrom(self.basis)
        if self.hint is not None and self.solver == "scip":
            hint = m.solution_hints.add()
            hint.variable_values.ids.extend(range(len(self.hint)))
            hint.variable_values.values.extend(self.hint.tolist())
        return m


@dataclass(frozen=True)
class Outcome:
    """What a native solve came to.

    x, duals, reduced: None unless the solver gave them. bound: a proven lower bound of the minimum, -inf where the
    solver proved none (an unfinished linear solve proves none here, whatever it reports).
    """

    status: Status
    x: FloatArray | None
    objective: float
    bound: float
    duals: FloatArray | None = None
    reduced: FloatArray | None = None
    basis: Any = None
    iterations: int = 0
    seconds: float = 0.0
    detail: str = ""


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _varints(values: NDArray[Any]) -> bytes:
    """Packed varints of non-negative whole numbers below 2**35, all at once."""
    a = np.asarray(values, np.uint64)
    groups = np.empty((len(a), 5), np.uint8)
    keep = np.zeros((len(a), 5), bool)
    for i in range(5):
        part = a >> np.uint64(7 * i)
        groups[:, i] = part & np.uint64(0x7F)
        keep[:, i] = part > 0
    keep[:, 0] = True
    groups[:, :4] |= keep[:, 1:].astype(np.uint8) << 7
    return groups[keep].tobytes()


def _field(message: Any, name: str, payload: bytes) -> bytes:
    number = message.DESCRIPTOR.fields_by_name[name].number
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _doubles(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, "<f8").tobytes()


def encode(arrays: Arrays, *, relax: bool = False) -> Any:
    """The arrays as a math_opt ModelProto; `relax` drops integrality."""
    model, variables = model_pb2.ModelProto, model_pb2.VariablesProto
    rows, objective = model_pb2.LinearConstraintsProto, model_pb2.ObjectiveProto
    matrix, vector = sparse_containers_pb2.SparseDoubleMatrixProto, sparse_containers_pb2.SparseDoubleVectorProto
    a = arrays.matrix.tocsr()
    if not a.has_canonical_format:
        a = a.copy()
        a.sum_duplicates()
    whole = np.zeros(arrays.columns, np.uint8) if relax else arrays.integer.astype(np.uint8)
    priced = np.flatnonzero(arrays.cost)
    column_part = (
        _field(variables, "ids", _varints(np.arange(arrays.columns)))
        + _field(variables, "lower_bounds", _doubles(arrays.lower))
        + _field(variables, "upper_bounds", _doubles(arrays.upper))
        + _field(variables, "integers", whole.tobytes())
    )
    row_part = (
        _field(rows, "ids", _varints(np.arange(arrays.rows)))
        + _field(rows, "lower_bounds", _doubles(arrays.row_lower))
        + _field(rows, "upper_bounds", _doubles(arrays.row_upper))
    )
    cost_part = _field(
        objective,
        "linear_coefficients",
        _field(vector, "ids", _varints(priced)) + _field(vector, "values", _doubles(arrays.cost[priced])),
    )
    matrix_part = (
        _field(matrix, "row_ids", _varints(np.repeat(np.arange(arrays.rows), np.diff(a.indptr))))
        + _field(matrix, "column_ids", _varints(a.indices))
        + _field(matrix, "coefficients", _doubles(a.data))
    )
    proto = model()
    proto.ParseFromString(
        _field(model, "variables", column_part)
        + _field(model, "objective", cost_part)
        + _field(model, "linear_constraints", row_part)
        + _field(model, "linear_constraint_matrix", matrix_part)
    )
    return proto


def _dense(vector: Any, size: int) -> FloatArray | None:
    """A SparseDoubleVectorProto as a dense array, None when it is empty and should not be.

    Reading a repeated field item by item takes as long as a warm solve; its bytes are the last ones of the message.
    """
    count = len(vector.ids)
    if count == 0:
        return None if size else np.zeros(0)
    values = np.frombuffer(vector.SerializeToString()[-8 * count :], "<f8")
    if values[0] != vector.values[0] or values[-1] != vector.values[-1]:
        values = np.asarray(vector.values, float)  # fields came in another order
    if count == size:
        return values.copy()
    out = np.zeros(size)
    out[np.asarray(vector.ids, np.int64)] = values
    return out


def _outcome(result: Any, columns: int, rows: int, whole: bool, seconds: float, factor: float = 1.0) -> Outcome:
    reason = result.termination.reason
    status = _STATUSES.get(reason, "numerical_error")
    solution = result.solutions[0] if len(result.solutions) else None
    x = duals = reduced = basis = None
    objective = np.inf
    if solution is not None:
        primal = solution.primal_solution
        if solution.HasField("primal_solution") and primal.feasibility_status == 2:
            x, objective = _dense(primal.variable_values, columns), float(primal.objective_value) / factor
        if solution.HasField("dual_solution"):
            duals = _dense(solution.dual_solution.dual_values, rows)
            reduced = _dense(solution.dual_solution.reduced_costs, columns)
            duals = None if duals is None else duals / factor
            reduced = None if reduced is None else reduced / factor
        if solution.HasField("basis"):
            basis = solution.basis
    if status in ("optimal", "feasible") and x is None:
        status = "numerical_error"
    if status not in ("optimal", "feasible"):
        x, objective = None, np.inf  # an unbounded model also hands a point over: it is no answer
    bound = -np.inf
    if status == "optimal" and not whole:
        bound = objective
    elif whole and status in ("optimal", "feasible", "no_solution"):
        bound = min(float(result.termination.objective_bounds.dual_bound) / factor, objective)
    iterations = int(result.solve_stats.simplex_iterations)
    return Outcome(
        status, x, objective, bound, duals, reduced, basis, iterations, seconds, result.termination.detail[:200]
    )


def carried_basis(basis: Any, rows: NDArray[np.int64]) -> Any:
    """A basis for a model of the same columns whose row i was row rows[i] before; -1 for a new row, whose slack is
    basic. rows: (rows,)."""
    old = np.zeros(max(len(basis.constraint_status.ids), int(rows.max(initial=-1)) + 1), np.int64)
    old[np.asarray(basis.constraint_status.ids, np.int64)] = np.asarray(basis.constraint_status.values, np.int64)
    status = np.where(rows >= 0, old[rows], solution_pb2.BASIS_STATUS_BASIC)
    out = solution_pb2.BasisProto()
    out.constraint_status.ids.extend(range(len(rows)))
    out.constraint_status.values.extend(status.tolist())
    out.variable_status.CopyFrom(basis.variable_status)
    return out


def money_factor(cost: FloatArray) -> float:
    """A power of two that brings the middle cost near 1.

    Solvers' tolerances on prices are absolute (1e-7): with costs of 1e-5 they would leave out whole parts of a plan.
    cost: (columns,).
    """
    priced = np.abs(cost[cost != 0])
    if not len(priced):
        return 1.0
    return float(2.0 ** np.clip(np.round(-np.log2(np.median(priced))), -40, 40))


_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$", re.IGNORECASE)


def scip_bound(line: str) -> float | None:
    """The dual bound in a line of SCIP's table of nodes, None for any other line."""
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) < 16 or not _NUMBER.match(cells[-4]):
        return None
    bound = float(cells[-4])
    # the table prints seven digits; take the last one off so that the bound stays below the truth
    return bound - 1e-6 * abs(bound)


def run(
    arrays: Arrays,
    settings: Settings,
    *,
    relax: bool = False,
    interrupter: Interrupter | None = None,
    on_bound: Callable[[float], None] | None = None,
) -> Outcome:
    """Minimise; every ending is mapped to a status. The GIL is free meanwhile. Raises ValueError for a bad setting.

    on_bound: called with the proven lower bound whenever SCIP prints one.
    """
    if arrays.columns == 0:
        holds = bool(np.all(arrays.row_lower <= 0) and np.all(arrays.row_upper >= 0))
        value = 0.0 if holds else np.inf
        return Outcome(
            "optimal" if holds else "infeasible", np.zeros(0), value, value, np.zeros(arrays.rows), np.zeros(0)
        )
    started = time.perf_counter()
    whole = bool(arrays.integer.any()) and not relax
    factor = money_factor(arrays.cost)

    def listen(lines: Sequence[str]) -> None:
        for line in lines:
            bound = scip_bound(line)
            if bound is not None and on_bound is not None:
                on_bound(bound / factor)

    try:
        result = raw.solve(
            encode(replace(arrays, cost=arrays.cost * factor), relax=relax),
            _SOLVERS[settings.solver],
            parameters_pb2.SolverInitializerProto(),
            settings.parameters(factor),
            settings.start(),
            None if on_bound is None else listen,
            callback_pb2.CallbackRegistrationProto(),
            None,
            interrupter,
        )
    except Exception as error:  # the raw layer raises one opaque type for everything that is not OK
        if "INVALID_ARGUMENT" in str(error):
            raise ValueError(f"{settings.solver} refused the model or its settings: {error}") from error
        return Outcome(
            "numerical_error",
            None,
            np.inf,
            -np.inf,
            seconds=time.perf_counter() - started,
            detail=f"{type(error).__name__}: {error}"[:200],
        )
    return _outcome(result, arrays.columns, arrays.rows, whole, time.perf_counter() - started, factor)


class Incremental:
    """A linear model that GLOP solves again and again: only bounds change, the basis stays.

    Not for several threads at once.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._columns, self._rows = arrays.columns, arrays.rows
        self.most_iterations = _LEAST_ITERATIONS + self._rows + self._columns
        self._factor = money_factor(arrays.cost)
        model = encode(replace(arrays, cost=arrays.cost * self._factor), relax=True)
        self._solver = raw.new(_SOLVERS["glop"], model, parameters_pb2.SolverInitializerProto())

    def move(self, rows: NDArray[np.int64], lower: FloatArray, upper: FloatArray) -> None:
        """Set the bounds of `rows`. All (rows,)."""
        update = model_update_pb2.ModelUpdateProto()
        self._set(update, update.linear_constraint_updates, rows, lower, upper)

    def bound(self, columns: NDArray[np.int64], lower: FloatArray, upper: FloatArray) -> None:
        """Set the bounds of `columns`. All (columns,)."""
        update = model_update_pb2.ModelUpdateProto()
        self._set(update, update.variable_updates, columns, lower, upper)

    def _set(self, update: Any, bounds: Any, which: NDArray[np.int64], lower: FloatArray, upper: FloatArray) -> None:
        ids = which.tolist()
        bounds.lower_bounds.ids.extend(ids)
        bounds.lower_bounds.values.extend(lower.tolist())
        bounds.upper_bounds.ids.extend(ids)
        bounds.upper_bounds.values.extend(upper.tolist())
        if not self._solver.update(update):
            raise RuntimeError("GLOP refused an update of bounds")

    def solve(self, *, seconds: float | None = None, basis: Any = None, afresh: bool = False) -> Outcome:
        """From `basis`, else from the last one; afresh: from nothing, with the primal simplex.

        It ends without an optimum where GLOP goes round in circles; callers ask another solver then.
        """
        settings = Settings(
            "glop",
            seconds=_LONGEST_S if seconds is None else seconds,
            iterations=self.most_iterations,
            basis=basis,
            preprocessing=afresh,
            primal=afresh,
        )
        started = time.perf_counter()
        try:
            result = self._solver.solve(
                settings.parameters(), settings.start(), None, callback_pb2.CallbackRegistrationProto(), None, None
            )
        except Exception as error:  # noqa: BLE001 - see `run`
            detail = f"{type(error).__name__}: {error}"[:200]
            return Outcome("numerical_error", None, np.inf, -np.inf, detail=detail)
        return _outcome(result, self._columns, self._rows, False, time.perf_counter() - started, self._factor)
