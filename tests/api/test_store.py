"""The store: migrations, transactions, fencing, artifacts, pages, keys."""

from __future__ import annotations

import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from api.store import audit, migrations, pages
from api.store import keys as keys_module
from api.store.artifacts import Artifacts
from api.store.database import Database
from api.store.heartbeats import Heartbeats
from api.store.keys import Keys
from api.store.runs import Outcome, Run, Runs
from api.store.settings import Settings
from api.store.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Database:
    settings = Settings(data_folder=tmp_path)
    migrations.upgrade(settings)
    return Database(settings)


def _queued(runs: Runs, id: str = "plan_1") -> Run:
    with runs.database.write() as connection:
        return runs.add(connection, id=id, kind="plan", name="n", request={}, inputs={}, owner="o")


def test_the_migrated_schema_is_the_one_that_the_code_speaks(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_head_is_the_newest_revision() -> None:
    versions = Path(migrations.__file__).parent / "versions"
    assert max(path.name[:4] for path in versions.glob("[0-9]*.py")) == migrations.HEAD


def test_an_upgrade_lays_a_copy_aside_and_is_done_once(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    first = migrations.upgrade(settings)
    assert (first.before, first.after, first.backup) == (None, migrations.HEAD, None)
    assert migrations.upgrade(settings).before == migrations.HEAD
    with sqlite3.connect(tmp_path / "tideplan.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RuntimeError, match="newer"):
        migrations.upgrade(settings)


def test_the_copy_before_an_upgrade_holds_what_was_there(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    migrations.upgrade(settings)
    database = Database(settings)
    _queued(Runs(database))
    database.close()
    copy = migrations.copy_of(tmp_path / "tideplan.sqlite")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [("plan_1",)]


def test_only_the_newest_attempt_may_write(database: Database) -> None:
    runs = Runs(database)
    _queued(runs)
    first = runs.begin_attempt("plan_1", "a")
    second = runs.begin_attempt("plan_1", "b")
    assert first is not None
    assert second is not None
    assert not runs.note_progress("plan_1", first.attempt, {"gap": 1})
    assert runs.wish_of("plan_1", first.attempt) is None
    assert not runs.publish("plan_1", first.attempt, Outcome("failed"))
    assert runs.publish("plan_1", second.attempt, Outcome("finished", {"gap": 0.1}))
    assert not runs.publish("plan_1", second.attempt, Outcome("failed"))
    assert runs.begin_attempt("plan_1", "c") is None
    kept = runs.get("plan_1")
    assert kept is not None
    assert (kept.state, kept.summary) == ("finished", {"gap": 0.1})
    assert [event.seq for event in runs.events_after("plan_1", 0)] == [1, 2, 3, 4]


def test_of_many_publishers_one_wins(database: Database) -> None:
    runs = Runs(database)
    _queued(runs)
    run = runs.begin_attempt("plan_1", "a")
    assert run is not None
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: runs.publish("plan_1", run.attempt, Outcome("finished", {"i": i})), range(16)))
    assert sum(won) == 1


def test_event_numbers_have_no_gap_under_many_writers(database: Database) -> None:
    runs = Runs(database)
    _queued(runs)
    run = runs.begin_attempt("plan_1", "a")
    assert run is not None
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: runs.note_progress("plan_1", run.attempt, {"i": i}), range(40)))
    assert [event.seq for event in runs.events_after("plan_1", 0)] == list(range(1, 43))


def test_a_cancel_is_not_turned_into_a_stop(database: Database) -> None:
    runs = Runs(database)
    _queued(runs)
    run = runs.begin_attempt("plan_1", "a")
    assert run is not None
    runs.wish("plan_1", "cancel")
    runs.wish("plan_1", "stop")
    assert runs.wish_of("plan_1", run.attempt) == "cancel"


def test_a_run_is_queued_again_only_while_nothing_has_moved(database: Database) -> None:
    runs = Runs(database)
    _queued(runs)
    seen = runs.begin_attempt("plan_1", "a")
    assert seen is not None
    with database.write() as connection:
        again = runs.resubmission(connection, seen)
        assert again is not None
        assert (again.state, again.workflow_id) == ("queued", "plan_1.2")
        assert runs.resubmission(connection, seen) is None


def test_the_silent_are_claimed_once(database: Database) -> None:
    beats = Heartbeats(database)
    beats.beat("a", {})
    assert beats.claim_silent("b", timeout_s=60) == []
    assert beats.claim_silent("b", timeout_s=0) == ["a"]
    assert beats.claim_silent("a", timeout_s=0) == []
    beats.beat("a", {})  # it lives after all
    beats.forget("a", "b")
    assert beats.claim_silent("c", timeout_s=0) == ["a"]


def test_artifacts_are_named_by_their_content(tmp_path: Path) -> None:
    store = Artifacts(tmp_path)
    stored = store.put_bytes(b"hello")
    assert stored.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert store.put_bytes(b"hello") == stored
    assert store.read(stored.sha256) == b"hello"
    assert list(store.incoming.iterdir()) == []
    for name in ("../../etc/passwd", "", "A" * 64, stored.sha256 + "0"):
        with pytest.raises(ValueError, match="SHA-256"):
            store.path(name)


def test_a_broken_write_leaves_nothing_visible(tmp_path: Path) -> None:
    store = Artifacts(tmp_path)

    def pieces() -> object:
        yield b"half"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        store.put_chunks(pieces())  # type: ignore[arg-type]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@given(st.integers(0, 10**14), st.from_regex(r"\A[a-z]{1,9}_[0-9a-f]{1,30}\Z"))
def test_cursors_come_back(created_ms: int, id: str) -> None:
    assert pages.decode(pages.encode(created_ms, id)) == (created_ms, id)


@given(st.text(max_size=60))
def test_no_cursor_breaks_the_reader(cursor: str) -> None:
    try:
        created_ms, id = pages.decode(cursor)
    except pages.CursorError:
        return
    assert created_ms >= 0
    assert id


def test_a_filled_database_of_the_former_version_is_brought_up(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    database = Database(settings)
    migrations.to_revision(settings, database, "0001")
    with database.write() as connection:
        row = "INSERT INTO api_keys (id, name, role, sha256, created_ms) VALUES ('key_1', 'ann', 'planner', 'x', 1)"
        connection.execute(text(row))
        names = (
            "id, kind, name, state, wish, request, inputs, attempt, submission, executor, event_seq, owner, created_ms"
        )
        values = "'plan_1', 'plan', 'n', 'queued', '', '{}', '{}', 0, 1, '', 0, 'o', 1"
        connection.execute(text(f"INSERT INTO runs ({names}) VALUES ({values})"))
    database.close()
    done = migrations.upgrade(settings)
    assert (done.before, done.after) == ("0001", migrations.HEAD)
    assert done.backup is not None
    database = Database(settings)
    assert [(key.name, key.is_active, key.used_ms) for key in Keys(database).active()] == [("ann", True, None)]
    run = Runs(database).get("plan_1")
    assert run is not None
    assert (run.tags, run.archived_ms) == ([], None)
    database.close()


def test_keys_expire_and_know_when_they_were_used(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(database)
    _brief, secret = keys.create("brief", "viewer", days=1)
    _lasting, other = keys.create("lasting", "viewer")
    assert keys.find(secret) is not None
    assert [key.used_ms is not None for key in keys.all()] == [True, False]
    tomorrow = keys_module.now_ms() + 86_400_001
    monkeypatch.setattr(keys_module, "now_ms", lambda: tomorrow)
    assert keys.find(secret) is None
    assert keys.find(other) is not None
    assert [key.name for key in keys.active()] == ["lasting"]
    assert keys.revoke(_lasting.id)
    assert (keys.active(), keys.needed()) == ([], True)  # a key that ran out does not open the door to everyone
    assert keys.revoke(_brief.id)
    assert not keys.needed()
    for days in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="days"):
            keys.create("never", "viewer", days=days)


def test_what_was_done_is_written_down_with_it_or_not_at_all(database: Database) -> None:
    with database.write() as connection:
        audit.note(connection, "key_1", "case stored", "case_1", {"case": "a" * 64})

    def broken() -> None:
        with database.write() as connection:
            audit.note(connection, "key_1", "case stored", "case_2", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    told = list(audit.deeds(database))
    assert [(deed.owner, deed.action, deed.subject, deed.hashes) for deed in told] == [
        ("key_1", "case stored", "case_1", {"case": "a" * 64})
    ]
    assert list(audit.deeds(database, told[0].at_ms + 1)) == []
