"""The solve child: `python -m api.jobs.child PARENT FOLDER MODULE MEMORY_MB`.

FOLDER holds task.json (kind, request, inputs) and gets out/ with the result's files. The child writes one JSON object
a line to its standard output: {"progress": …} while it works, then {"result": summary} or {"problem": …}. A line
"stop" on standard input asks for the best so far; end of input means that nobody is listening any more.

The first lines run before any heavy import: the kernel kills the child with its parent, and memory is limited.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _bind_to_parent(parent: int, memory_mb: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(3)
    # RLIMIT_AS counts address space, of which solvers reserve more than they touch.
    limit = int(memory_mb * 1.5) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Do one task for the parent process; the exit code."""
    parent, folder, module, memory_mb = int(arguments[0]), arguments[1], arguments[2], int(arguments[3])
    _bind_to_parent(parent, memory_mb)
    from api.jobs import childwork

    return childwork.run(folder, module)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
