"""Requests per second and tail latency of the service, and the time from submit to the start of the solve.

python benchmarks/service.py --clients 8 --seconds 5 [--database postgresql://…] [--json]

A server of its own is started on a free port with a fresh data folder; the plans are true plans of the API's example
case. Absolute figures hold for one machine only; compare rows of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from api.http import examples  # noqa: E402
from api.store import migrations  # noqa: E402
from api.store.settings import Settings  # noqa: E402

Row = dict[str, Any]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--plans", type=int, default=3, help="plans for the time from submit to solver start")
    arguments.add_argument("--database", help="postgresql://…, an empty database; SQLite if left out")
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tideplan-bench-") as folder:
        rows = measure(Path(folder), chosen.database, chosen.clients, chosen.seconds, chosen.plans)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if chosen.json:
        print(json.dumps({"benchmark": "service", "machine": machine, "rows": rows}))
        return
    print(machine)
    print(f"{'call':44} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7} {'rss MB':>7}")
    for row in rows:
        print(
            f"{row['call']:44} {row['requests_s']:8.1f} {row['p50_ms']:8.1f} {row['p99_ms']:8.1f} "
            f"{row['errors']:7d} {row['rss_mb']:7.0f}"
        )


def measure(folder: Path, database: str | None, clients: int, seconds: float, plans: int) -> list[Row]:
    """Rows of one run over a server of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    given = {"TIDEPLAN_DATA_FOLDER": str(folder), "TIDEPLAN_PORT": str(port), "PYTHONPATH": str(ROOT)}
    if database:
        given["TIDEPLAN_DATABASE_URL"] = database
    migrations.upgrade(Settings(data_folder=folder, database_url=database))
    code = "from api.app.server import serve; from api.store.settings import Settings; serve(Settings())"
    begun = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-c", code], env=os.environ | given, stderr=(folder / "log").open("wb"))
    try:
        first = _until(address + "/healthz", begun, server)
        ready = _until(address + "/readyz", begun, server)
        process = psutil.Process(server.pid)
        rows = [_single("start to first answer", [first], process), _single("start to ready", [ready], process)]
        case = httpx.post(f"{address}/v1/cases", json=examples.CASE).json()
        rows += _plans(address, case["id"], plans, process)
        finished = httpx.get(f"{address}/v1/plans?state=finished").json()["items"]
        paths = ["/healthz", "/v1/plans", f"/v1/cases/{case['id']}", "/"]
        if finished:
            paths += [finished[0]["links"]["self"], finished[0]["links"]["tables"] + "/orders"]
        for path in paths:
            label = f"GET {path if len(path) < 30 else path[:10] + '…' + path[-12:]}"
            rows.append(_load(label, lambda client, path=path: client.get(path), address, clients, seconds, process))
        rows.append(
            _load(
                "POST /v1/cases",
                lambda client: client.post("/v1/cases", json=examples.CASE),
                address,
                clients,
                seconds,
                process,
            )
        )
        return rows
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _until(address: str, begun: float, server: subprocess.Popen[bytes]) -> float:
    while server.poll() is None:
        try:
            if httpx.get(address, timeout=5).status_code == 200:
                return time.perf_counter() - begun
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit("the server ended; look at its log")


def _plans(address: str, case: str, count: int, process: psutil.Process) -> list[Row]:
    """From the request to the worker's claim, to the solver's first word, and to the end."""
    claimed, told, ended = [], [], []
    for seed in range(count):
        begun = time.perf_counter()
        body = {"case_id": case, "limits": {"seed": seed + 1, "seconds": 120}}
        plan = httpx.post(f"{address}/v1/plans", json=body).json()
        with httpx.stream("GET", f"{address}{plan['links']['events']}", timeout=300) as events:
            seen: set[str] = set()
            for line in events.iter_lines():
                now = time.perf_counter() - begun
                if '"state":"running"' in line:
                    claimed.append(now)
                elif line == "event: progress" and "told" not in seen:
                    seen.add("told")
                    told.append(now)
                elif '"state":"finished"' in line:
                    ended.append(now)
    return [
        _single("submit to claim", claimed, process),
        _single("submit to the solver's first progress", told, process),
        _single("submit to result (example case)", ended, process),
    ]


def _single(call: str, times: list[float], process: psutil.Process) -> Row:
    return _row(call, times, sum(times) or 1.0, 0 if times else 1, process)


def _load(
    call: str,
    ask: Callable[[httpx.Client], httpx.Response],
    address: str,
    clients: int,
    seconds: float,
    process: psutil.Process,
) -> Row:
    """`clients` threads ask as fast as they are answered."""
    times: list[float] = []
    errors: list[int] = []
    ends = time.perf_counter() + seconds

    def client() -> None:
        with httpx.Client(base_url=address, timeout=30) as connection:
            while (begun := time.perf_counter()) < ends:
                try:
                    if ask(connection).status_code >= 400:
                        errors.append(1)
                except httpx.TransportError:
                    errors.append(1)
                times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _row(call, times, time.perf_counter() - begun, len(errors), process)


def _row(call: str, times: list[float], seconds: float, errors: int, process: psutil.Process) -> Row:
    ordered = sorted(times)
    return {
        "call": call,
        "requests_s": len(ordered) / seconds,
        "p50_ms": 1000 * ordered[len(ordered) // 2] if ordered else 0.0,
        "p99_ms": 1000 * ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)] if ordered else 0.0,
        "errors": errors,
        "rss_mb": process.memory_info().rss / 2**20,
    }


if __name__ == "__main__":
    main()
