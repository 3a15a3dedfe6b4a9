"""A child process that evaluates what it is sent: `python -c "from planner.solve.worker import main; main()" PARENT`.

Tasks come as length-prefixed pickles on standard input and answers leave the same way on what was standard output. It
dies with its parent: by the parent-death signal on Linux, and on any system when its input ends, since a thread reads
while the solver works (solvers leave the GIL). The word INTERRUPT among the tasks interrupts what is running.

Nothing that a solver prints reaches the terminal: with OR-Tools 9.15 every interruptible SCIP solve prints two lines of
errors about events that it cannot catch (it then hears an interrupt between nodes only).
"""

from __future__ import annotations

import ctypes
import os
import pickle
import queue
import signal
import struct
import sys
import threading
from typing import IO, Any

from planner.program.blocks import Arrays
from planner.solve.native import Interrupter, Outcome, Settings, run

LENGTH = struct.Struct("<Q")
INTERRUPT = "interrupt"
NOTE, ANSWER, FAILURE = 0, 1, 2

_interrupters: set[Any] = set()
_answers: list[IO[bytes]] = []


def send(pipe: IO[bytes], message: Any) -> None:
    """Write one message with its length before it."""
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(LENGTH.pack(len(payload)))
    pipe.write(payload)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """The next message; EOFError when the other side is gone."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    payload = pipe.read(size)
    if len(payload) < size:
        raise EOFError
    return pickle.loads(payload)


def solve_here(arrays: Arrays, settings: Settings) -> Outcome:
    """Task: one native solve that INTERRUPT can end, with a note for every bound."""
    interrupter = Interrupter()
    _interrupters.add(interrupter)
    try:
        listens = settings.solver != "highs"
        return run(
            arrays,
            settings,
            interrupter=interrupter if listens else None,
            on_bound=(lambda bound: send(_answers[0], (NOTE, bound))) if settings.solver == "scip" else None,
        )
    finally:
        _interrupters.discard(interrupter)


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    """Do tasks from standard input until it ends."""
    if len(sys.argv) > 1:
        _die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    _answers.append(answers)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever a solver prints must not fall among the answers
    os.dup2(nowhere, 2)
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        source = sys.stdin.buffer
        try:
            while True:
                task = receive(source)
                if task == INTERRUPT:
                    for interrupter in list(_interrupters):
                        interrupter.interrupt()
                else:
                    tasks.put(task)
        except EOFError:
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        function, arguments = tasks.get()
        try:
            answer: tuple[int, Any] = (ANSWER, function(*arguments))
        except BaseException as error:  # noqa: BLE001 - told in the process that asked
            answer = (FAILURE, error)
        try:
            send(answers, answer)
        except (pickle.PicklingError, AttributeError, TypeError):
            send(answers, (FAILURE, RuntimeError(repr(answer[1])[:500])))
