"""A child process that evaluates what it is sent: `python -c "from planner.solve.worker import main; main()" PARENT`.

Tasks come as length-prefixed pickles on standard input and answers leave the same way on what was standard output. It
dies with its parent: by the parent-death signal on Linux, and on any system when its input ends, since a thread reads
while the solver works (solvers leave the GIL).
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

LENGTH = struct.Struct("<Q")


def send(pipe: IO[bytes], message: Any) -> None:
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


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    if len(sys.argv) > 1:
        _die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a solver prints must not fall among the answers
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        source = sys.stdin.buffer
        try:
            while True:
                tasks.put(receive(source))
        except EOFError:
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        function, arguments = tasks.get()
        try:
            answer: tuple[bool, Any] = (True, function(*arguments))
        except BaseException as error:
            answer = (False, error)
        try:
            send(answers, answer)
        except (pickle.PicklingError, AttributeError, TypeError):
            send(answers, (False, RuntimeError(repr(answer[1])[:500])))
