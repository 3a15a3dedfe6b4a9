"""Work outside the queue is bounded: slots, shares, one making of one thing, unpacked sizes, memory, watchers."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from api.jobs.problems import ProblemError
from api.jobs.process import child
from api.jobs.task import Task, WorkError
from api.service import kept
from api.service.slots import Slots
from api.service.watch import POLL_S, Watch
from api.store import migrations
from api.store.database import Database
from api.store.runs import Outcome, Runs
from api.store.settings import Settings
from api.work.unpacked import refuse_large


def test_slots_let_few_work_few_wait_and_nobody_take_all() -> None:
    slots = Slots(at_once=2, waiting=2, per_key=3)
    go, entered = threading.Event(), threading.Semaphore(0)
    most: list[int] = []

    def work(owner: str) -> str:
        try:
            with slots.taken(owner):
                most.append(1)
                entered.release()
                go.wait(20)
                return "done"
        except ProblemError as refused:
            return refused.kind

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(work, "ann") for _ in range(3)]
        assert entered.acquire(timeout=20)
        assert entered.acquire(timeout=20)
        while slots.inside() < 3:
            time.sleep(0.01)
        assert len(most) == 2  # the third waits
        assert work("ann") == "too-many-unfinished"
        other = pool.submit(work, "bob")
        while slots.inside() < 4:
            time.sleep(0.01)
        assert work("eve") == "busy"
        go.set()
        assert [one.result(20) for one in (*first, other)] == ["done"] * 4
    assert slots.inside() == 0


def test_what_many_ask_for_at_once_is_made_once(
    live: TestClient, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    id = plan_of(live, wait=60, seconds=0.5)["id"]
    made: list[str] = []
    call = kept.call

    def counted(task: Task, *given: Any, **named: Any) -> Any:
        made.append(task.kind)
        return call(task, *given, **named)

    monkeypatch.setattr(kept, "call", counted)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: live.get(f"/v1/plans/{id}/report?lang=en"), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert made == ["report"]


def test_a_key_that_asks_for_too_much_is_told_so(live: TestClient, plan_of: Callable[..., Any]) -> None:
    id = plan_of(live, wait=60, seconds=0.6)["id"]
    slots = live.app.state.services.slots  # type: ignore[attr-defined]
    slots._inside["local"] += slots.per_key
    try:
        for answer in (live.get(f"/v1/plans/{id}/report?lang=zh"), live.post("/v1/cases", json={})):
            assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-unfinished")
            assert answer.headers["retry-after"]
    finally:
        slots._inside["local"] -= slots.per_key
    assert live.get(f"/v1/plans/{id}/report?lang=zh").status_code == 200


def test_unpacked_sizes_are_known_before_anything_is_kept(tmp_path: Path) -> None:
    zeros = b"\0" * 30_000_000
    (tmp_path / "a.gz").write_bytes(gzip.compress(zeros[:2_000_000]) * 15)  # members one behind the other
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("sheet.xml", zeros)
    pq.write_table(
        pa.table({"x": pa.array(range(3_000_000), pa.int64())}), tmp_path / "c.parquet", use_dictionary=False
    )
    for file in sorted(tmp_path.iterdir()):
        assert file.stat().st_size < 26_000_000
        with pytest.raises(WorkError, match="20,000,000") as refused:
            refuse_large(file, 20_000_000)
        assert refused.value.kind == "too-large"
        refuse_large(file, 40_000_000)
    for name, content in (("d.gz", b"\x1f\x8bnonsense"), ("e.parquet", b"PAR1nonsense"), ("f", b"plain")):
        (tmp_path / name).write_bytes(content)
        refuse_large(tmp_path / name, 20_000_000)  # the reader says what is wrong with it


def test_memory_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    """Four processes of 120 MB each: every one below the limit of 300 MB, all of them far above."""
    module = tmp_path / "hoarders.py"
    module.write_text(
        "import subprocess, sys, time\n"
        "def run(task, out, tell, stop):\n"
        "    code = 'import time; hoard = b\"x\" * 120_000_000; time.sleep(60)'\n"
        "    many = [subprocess.Popen([sys.executable, '-c', code]) for _ in range(4)]\n"
        "    time.sleep(60)\n"
        "    return {}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with child(Task("plan"), tmp_path / "w", module="hoarders", memory_mb=300) as running:
            for _ in running.messages(0.5):
                pass
            ended = running.ended(None)
    assert ended.kind == "solver-out-of-memory"
    assert "allowed: 300 MB in all" in ended.detail
    assert running.memory.peak_mb > 300


def test_a_solve_that_someone_kills_did_not_run_out_of_memory(tmp_path: Path) -> None:
    with child(Task("plan"), tmp_path / "w", module="no_such_module", memory_mb=512) as running:
        running.process.kill()
        for _ in running.messages(0.1):
            pass
        ended = running.ended(None)
    assert (ended.kind, "SIGKILL" in ended.detail) == ("solver-crashed", True)


class _Counted(Runs):
    """Runs that count how often anyone looks."""

    looks = 0

    def heads(self, ids: Any) -> Any:
        self.looks += 1
        return super().heads(ids)

    def events_after(self, id: str, seq: int, limit: int = 500) -> Any:
        self.looks += 1
        return super().events_after(id, seq, limit)


def test_one_poll_feeds_all_watchers_without_gap_or_duplicate(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    migrations.upgrade(settings)
    runs = _Counted(Database(settings))
    with runs.database.write() as connection:
        runs.add(connection, id="plan_1", kind="plan", name="n", request={}, inputs={}, owner="o")
    run = runs.begin_attempt("plan_1", "a")
    assert run is not None
    watchers = 60

    async def watched(watch: Watch, after: int) -> list[int]:
        text = b"".join([part async for part in watch.stream("plan_1", after, 60)]).decode()
        return [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]

    async def all_of_it() -> list[list[int]]:
        watch = Watch(runs)
        early = [asyncio.create_task(watched(watch, 0)) for _ in range(watchers)]
        for step in range(20):
            await asyncio.to_thread(runs.note_progress, "plan_1", run.attempt, {"step": step})
            await asyncio.sleep(0.05)
        late = [asyncio.create_task(watched(watch, after)) for after in (0, 5, 22)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(runs.publish, "plan_1", run.attempt, Outcome("finished"))
        out = [await task for task in [*early, *late]]
        assert not watch._feeds
        watch.close()
        return out

    begun = time.monotonic()
    seen = asyncio.run(all_of_it())
    polls = (time.monotonic() - begun) / POLL_S + 1
    assert all(numbers == list(range(1, 24)) for numbers in seen[:watchers])
    assert seen[watchers:] == [list(range(1, 24)), list(range(6, 24)), [23]]
    assert runs.looks <= watchers + 3 + 2 * polls  # each reads its own past once; all else is read once for all
