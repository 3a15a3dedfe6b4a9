"""A course of days, dispatched period by period side by side.

What joins one day to the next is small: the backlog at midnight, and what was arriving the day before. A period is
begun a day early with nothing left over; the backlog after that day is nearly always the true one (after one day to
the last digit at every quarter tried of the national example), and where it is not, days are dispatched again from the
true one until the two agree. So the outcome is that of all days in order. GLOP runs outside of Python's lock: threads
suffice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from planner.arrays import FloatArray
from planner.replay.dispatch import Day, Dispatcher, State

Progress = Callable[[int, int], None]
"""Called with days done and days in all."""

_SHORT = 1e-9
_ALIKE = 1e-6
_POLL_S = 0.2


class UnfinishedError(Exception):
    """The time was over before a whole period was dispatched."""


class _OverError(Exception):
    """Another day is not begun."""


@dataclass
class _Piece:
    """Days from `first` on. after: the state after each of them; start: before the first. linked: whether the first
    day after the piece's own start was weighed against the day before it."""

    first: int
    start: State
    days: list[Day] = field(default_factory=list)
    after: list[State] = field(default_factory=list)
    linked: bool = False

    def before(self, i: int) -> State:
        """The state before the i-th of its days."""
        return self.after[i - 1] if i else self.start


@dataclass(frozen=True)
class Course:
    """days: in order, of whole periods only where the time was over. billed_kw: (S, T, 12) in the end."""

    days: list[Day]
    billed_kw: FloatArray


def dispatch_course(
    make: Callable[[], Dispatcher],
    places: Sequence[tuple[int, int]],
    *,
    threads: int = 2,
    seconds: float = np.inf,
    on_progress: Progress | None = None,
) -> Course:
    """All days of `places` ((period, day of it), in order), or those of the periods that were finished in `seconds`.

    make: a dispatcher at the beginning of the course. on_progress: may raise to end it; told in the caller's thread.
    Raises UnfinishedError when not even one period was finished.
    """
    return _Courses(make, places, seconds, on_progress).run(threads)


class _Courses:
    def __init__(
        self,
        make: Callable[[], Dispatcher],
        places: Sequence[tuple[int, int]],
        seconds: float,
        on_progress: Progress | None,
    ) -> None:
        self._make, self._places, self._on_progress = make, places, on_progress
        self._until = time.monotonic() + seconds
        self._over = threading.Event()
        self._done = 0
        self._lock = threading.Lock()

    def run(self, threads: int) -> Course:
        period = [t for t, _ in self._places]
        firsts = [i for i in range(len(period)) if i == 0 or period[i] != period[i - 1]]
        ends = [*firsts[1:], len(period)]
        with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="tideplan-replay") as pool:
            try:
                tasks = [pool.submit(self._piece, first, end) for first, end in zip(firsts, ends, strict=True)]
                whole: _Piece | None = None
                for task in tasks:
                    piece = self._waited(task)
                    if piece is None:
                        break
                    whole = piece if whole is None else self._joined(whole, piece)
            except _OverError:
                pass
            finally:
                self._over.set()
        if whole is None:
            raise UnfinishedError
        return Course(whole.days, whole.after[-1][2])

    def _waited(self, task: Future[_Piece]) -> _Piece | None:
        """None where the time was over."""
        while True:
            try:
                found = task.result(timeout=_POLL_S)
            except TimeoutError:
                found = None
            except _OverError:
                return None
            if self._on_progress is not None:
                self._on_progress(self._done, len(self._places))
            if found is not None:
                return found

    def _piece(self, first: int, end: int) -> _Piece:
        """The days of one period, with the day before them where there is one."""
        dispatcher = self._make()
        early = max(first - 1, 0)
        if early:
            dispatcher.follow(*self._places[early - 1])
        piece = _Piece(early, dispatcher.state())
        self._walk(dispatcher, piece, end)
        return piece

    def _walk(self, dispatcher: Dispatcher, piece: _Piece, end: int, like: _Piece | None = None) -> None:
        """Go on with `piece` up to `end`, or until two days in a row end as those of `like` did.

        A day that falls short is seen a day ahead: when work was left over at the midnight before it, the day before is
        dispatched again with as little left over as it can, and both days stand as they are cheaper together.
        """
        alike_before = False
        for i in range(piece.first + len(piece.days), end):
            if self._over.is_set() or time.monotonic() > self._until:
                self._over.set()
                raise _OverError
            place, days = self._places[i], piece.days
            day = dispatcher.day(*place)
            if days and day.shortfall.sum() > _SHORT and days[-1].backlog[:, -1].sum() > _SHORT:
                piece.linked = piece.linked or len(days) == 1
                plain = dispatcher.state()
                dispatcher.restore(piece.before(len(days) - 1))
                cleared = dispatcher.day(*self._places[i - 1], clear=True)
                middle = dispatcher.state()
                again = dispatcher.day(*place)
                if cleared.cost + again.cost < days[-1].cost + day.cost:
                    days[-1], piece.after[-1], day = cleared, middle, again
                else:
                    dispatcher.restore(plain)
            days.append(day)
            piece.after.append(dispatcher.state())
            if like is None:
                with self._lock:
                    self._done = min(self._done + 1, len(self._places))
                continue
            alike = i > like.first and _alike(piece.after[-1], like.after[i - like.first], place[0])
            if alike and alike_before:
                return
            alike_before = alike

    def _joined(self, whole: _Piece, piece: _Piece) -> _Piece:
        """`piece`, which begins with the last day of `whole`, after it."""
        last = len(whole.days) - 1
        at = 1  # from this day on the piece stands as it is
        if piece.linked or not _alike(whole.after[last], piece.after[0], self._places[piece.first][0]):
            again = _Piece(piece.first, whole.before(last))
            dispatcher = self._make()
            dispatcher.restore(again.start)
            self._walk(dispatcher, again, piece.first + len(piece.days), piece)
            whole.days[last:], whole.after[last:] = again.days, again.after
            at = len(again.days)
        billed = whole.after[-1][2]
        period = self._places[piece.first + 1][0]
        for backlog, yesterday, billed_kw in piece.after[at:]:
            merged = billed.copy()
            merged[:, period] = billed_kw[:, period]
            whole.after.append((backlog, yesterday, merged))
        whole.days += piece.days[at:]
        return whole


def _alike(a: State, b: State, period: int) -> bool:
    """The same backlog, the same day before, the same power billed so far in the period."""
    pairs = ((a[0], b[0]), (a[1], b[1]), (a[2][:, period], b[2][:, period]))
    return all(np.allclose(x, y, rtol=_ALIKE, atol=_ALIKE) for x, y in pairs)
