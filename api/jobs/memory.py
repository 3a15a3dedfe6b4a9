"""The memory of a solve is that of its whole tree: what its worker processes take counts as well.

The child's own limit (RLIMIT_AS) holds for one process at a time, so that a pool of four may take four times as much.
The tree is watched from outside instead, by the share of every page that is its own (PSS), and ended when it is over.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import psutil

EVERY_S = 0.5


def tree_mb(pid: int) -> float:
    """Memory of a process and everything below it, MiB; a page that n of them share counts once in all."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return sum(_pss_kb(one) for one in [process, *process.children(recursive=True)]) / 1024
    return 0.0


def _pss_kb(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
    except OSError:  # not Linux, or it has just ended
        with suppress(psutil.Error):
            return float(process.memory_info().rss) / 1024
    return 0.0


class TreeMemory:
    """Watches the session that `pid` leads and ends it when its tree takes more than `limit_mb`."""

    def __init__(self, pid: int, limit_mb: int) -> None:
        self.pid, self.limit_mb = pid, limit_mb
        self.exceeded = ""
        self.peak_mb = 0.0
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="tree-memory", daemon=True).start()

    def stop(self) -> None:
        """Measure no longer."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            now_mb = tree_mb(self.pid)
            self.peak_mb = max(self.peak_mb, now_mb)
            if now_mb > self.limit_mb:
                self.exceeded = (
                    f"The solve and what it started took {now_mb:.0f} MB; allowed: {self.limit_mb} MB in all "
                    "(TIDEPLAN_SOLVE_MEMORY_MB)."
                )
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                return
