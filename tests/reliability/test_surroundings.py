"""The surroundings broken for real: full and read-only disks, a database that goes, a data folder that is destroyed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http import examples
from api.store import migrations
from api.store.artifacts import Artifacts
from api.store.backup import BackupError, backup, restore
from api.store.database import Database
from api.store.documents import Documents
from api.store.settings import Settings

Make = Callable[..., Any]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _case(name: str) -> dict[str, Any]:
    return examples.CASE | {"meta": examples.CASE["meta"] | {"name": name}}


def _stored(server: Any) -> set[str]:
    return {item["id"] for item in server.get("/v1/cases?limit=200").json()["items"]}


@pytest.mark.slow
def test_a_full_disk_and_one_that_cannot_be_written(make_server: Make, small_disk: Path) -> None:
    server = make_server(TIDEPLAN_DATA_FOLDER=str(small_disk / "data"), TIDEPLAN_MIN_FREE_MB="0").start()
    kept = {server.post("/v1/cases", _case("before")).json()["id"]}
    ran = server.ask_for_plan(seconds=0.1)
    server.until_final(ran["id"])
    waiting = server.ask_for_plan(seconds=4)
    kept = _stored(server)
    server.until_solving(waiting["id"])
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:  # to the last byte
        while True:
            try:
                os.write(file.fileno(), b"\0" * 4096)
            except OSError:
                break
    with httpx.Client(base_url=server.address, timeout=30) as client:
        for request in (
            lambda: client.post("/v1/cases", json=_case("no room")),
            lambda: client.post("/v1/histories", content=b"t,v\n1,2\n", headers={"Content-Type": "text/csv"}),
            lambda: client.post("/v1/plans", json={"case_id": next(iter(kept))}),
            lambda: client.get(f"/v1/plans/{ran['id']}/report?lang=en"),
        ):
            answer = request()
            assert (answer.status_code, answer.json()["type"]) == (507, "/problems/disk-full"), answer.text
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["retry-after"]
        assert _stored(server) == kept  # what is there is still read, and nothing half done is
        assert client.get(f"/v1/plans/{ran['id']}/files/plan.json").status_code == 200
    ballast.unlink()
    ended = server.until_final(waiting["id"])  # it found no room for its result, or room again: one final state
    assert ended["state"] == "finished" or ended["problem"]["type"] == "/problems/disk-full", ended
    assert server.post("/v1/cases", _case("room again")).status_code == 201
    assert list((small_disk / "data" / "artifacts" / "incoming").iterdir()) == []
    assert server.until_final(server.ask_for_plan()["id"])["state"] == "finished"

    server.kill()  # nobody can make a disk read-only under a file that is open for writing
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = [sys.executable, "-m", "api.cli", "serve", "--data", str(small_disk / "data"), "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=120)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert refused.returncode == 5, refused.stderr
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.postgres
def test_a_database_that_is_away_is_said_to_be_away(make_server: Make, postgres: dict[str, str], cluster: Any) -> None:
    server = make_server(**postgres).start()
    case = server.post("/v1/cases", _case("here")).json()["id"]
    cluster.stop()
    try:
        with httpx.Client(base_url=server.address, timeout=30) as client:
            for path in ("/v1/cases", f"/v1/cases/{case}", "/v1/plans"):
                answer = client.get(path)
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/database-away"), answer.text
                assert answer.headers["retry-after"]
                assert "default-src 'none'" in answer.headers["content-security-policy"]
                assert "connection" not in answer.headers  # it is kept
            assert client.get("/readyz").json()["reasons"][0].startswith("database-away: ")
            assert client.get("/healthz").status_code == 200
            assert b"tideplan_ready 0" in client.get("/metrics").content or client.get("/metrics").status_code == 503
    finally:
        cluster.start()
    assert server.until(case, lambda _: server.get(f"/v1/cases/{case}").status_code == 200) is not None


def _copied_while_it_ran(make_server: Make, database: dict[str, str], folder: Path, copy: Path) -> tuple[Any, Any, Any]:
    """A server under load, a backup of it, and its destruction: (ended plan, plan that was running, what was there)."""
    server = make_server(**database).start()
    ended = server.until_final(server.ask_for_plan(key="one", seconds=0.1)["id"])
    files = server.get(f"/v1/plans/{ended['id']}/result").json()["files"]
    running = server.ask_for_plan(key="two", seconds=60)
    server.until_solving(running["id"])
    done = backup(_settings(database, folder), copy)
    assert done.damaged == []
    assert done.rows["runs"] == 2
    server.kill()
    return ended, running, files


def _settings(database: dict[str, str], folder: Path) -> Settings:
    return Settings(data_folder=folder, database_url=database.get("TIDEPLAN_DATABASE_URL"))


def test_a_backup_made_while_it_ran_survives_the_original(
    make_server: Make, database: dict[str, str], tmp_path: Path, cluster_or_none: Any
) -> None:
    copy = tmp_path / "copy"
    ended, running, files = _copied_while_it_ran(make_server, database, tmp_path, copy)
    for path in tmp_path.iterdir():  # all of it but the copy
        if path != copy:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = (
        {} if cluster_or_none is None else {"TIDEPLAN_DATABASE_URL": cluster_or_none.new_database(f"r{os.getpid()}")}
    )
    done = restore(_settings(again, tmp_path), copy)
    assert done.rows["runs"] == 2
    with pytest.raises(BackupError, match="an empty database"):
        restore(_settings(again, tmp_path), copy)
    server = make_server(**again).start()
    assert server.get(f"/v1/plans/{ended['id']}").json() == ended
    for file in files:
        assert server.get(file["href"]).status_code == 200
    assert server.get(f"/v1/plans/{ended['id']}/tables/orders").json()["rows"] == [["near", 1, 1.5, 0]]
    body = {"case_id": ended["request"]["case_id"]}
    kept = server.post("/v1/plans", body, headers={"Idempotency-Key": "one"})
    assert kept.json()["id"] == ended["id"]  # promises are kept, too
    server.until(running["id"], lambda plan: plan["attempt"] == 2)  # what was running is taken up again
    server.post(f"/v1/plans/{running['id']}/stop")
    assert server.until_final(running["id"])["state"] == "finished"


@pytest.fixture
def cluster_or_none(request: pytest.FixtureRequest, database: dict[str, str]) -> Any:
    """Where the backup goes: back to the kind of database that it came from."""
    return request.getfixturevalue("cluster") if database else None


@pytest.mark.slow
@pytest.mark.postgres
def test_a_backup_moves_a_service_from_sqlite_to_postgresql(make_server: Make, cluster: Any, tmp_path: Path) -> None:
    ended, _running, files = _copied_while_it_ran(make_server, {}, tmp_path, tmp_path / "copy")
    there = {"TIDEPLAN_DATABASE_URL": cluster.new_database("moved")}
    restore(_settings(there, tmp_path / "elsewhere"), tmp_path / "copy")
    server = make_server(**there, TIDEPLAN_DATA_FOLDER=str(tmp_path / "elsewhere")).start()
    assert server.get(f"/v1/plans/{ended['id']}").json() == ended
    assert all(server.get(file["href"]).status_code == 200 for file in files)


def test_a_rotten_backup_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "data")
    migrations.upgrade(settings)
    database = Database(settings)
    stored = Artifacts(settings.data_folder / "artifacts").put_bytes(b"{}")
    with database.write() as connection:
        Documents(database).add_case(
            connection, id="case_1", name="n", artifact=stored.sha256, warnings=[], owner="local"
        )
    database.close()
    copy = tmp_path / "copy"
    backup(settings, copy)
    with pytest.raises(BackupError, match="does not exist yet"):
        backup(settings, copy)
    target = Settings(data_folder=tmp_path / "new")
    for file in [path for path in copy.rglob("*") if path.is_file()]:
        was = file.read_bytes()
        file.write_bytes(was.replace(b"1", b"2") if b"1" in was else was + b" ")
        with pytest.raises(BackupError, match="backup"):
            restore(target, copy)
        file.unlink()
        with pytest.raises(BackupError, match="backup"):
            restore(target, copy)
        file.write_bytes(was)
        assert not (tmp_path / "new" / "tideplan.sqlite").exists()
    assert restore(target, copy).artifacts == 1
    Artifacts(settings.data_folder / "artifacts").path(stored.sha256).write_bytes(b"rot")
    told = backup(settings, tmp_path / "second").damaged
    assert len(told) == 1
    assert "case case_1" in told[0]


def test_the_command_line_refuses_to_start_with_exit_5_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "tideplan.sqlite").write_bytes(b"no database " * 400)
    command = [sys.executable, "-m", "api.cli"]
    done = subprocess.run([*command, "serve", "--data", str(tmp_path), "--port", "0"], capture_output=True, text=True)
    assert done.returncode == 5, done.stderr
    assert "tideplan restore" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr
    made = subprocess.run(
        [*command, "backup", str(tmp_path / "b"), "--data", str(tmp_path), "--json"], capture_output=True, text=True
    )
    assert made.returncode != 0
    assert json.loads(made.stdout or made.stderr)
