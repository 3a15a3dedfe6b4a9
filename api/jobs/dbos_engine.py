"""The job engine on DBOS Transact: the same code on SQLite and PostgreSQL.

The workflow is one step long on purpose: what must be durable stands in our own tables, and a workflow that never
changes shape can be recovered by any later version (PROTOCOL is raised by hand when it does change).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Connection

from api.jobs.port import JobStatus, Perform
from api.store.database import Database
from api.store.migrations import ENGINE_SCHEMA
from api.store.runs import Run
from api.store.settings import Settings

PROTOCOL = "tideplan-1"
QUEUE = "runs"
WORKFLOW = "perform_run"
APPLICATION = "tideplan"
_RECOVERIES = 50  # the runner gives up long before, with a problem that says why

_perform: Perform | None = None


@DBOS.step(name="perform_step")
def _perform_step(run_id: str) -> str:
    if _perform is None:
        raise RuntimeError("this process does not work on jobs")
    return _perform(run_id)


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=_RECOVERIES)
def _workflow(run_id: str) -> str:
    return _perform_step(run_id)


class DbosEngine:
    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self._client: DBOSClient | None = None
        self._launched = False

    def start(self, perform: Perform | None) -> None:
        """See `JobEngine`."""
        global _perform
        _perform = perform
        logging.getLogger("dbos").setLevel(logging.WARNING)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self.settings.sqlalchemy_url,
            "application_version": PROTOCOL,
            "executor_id": self.settings.executor,
            "serializer": DBOSPortableJSONSerializer(),
            "dbos_system_schema": ENGINE_SCHEMA,
            "run_migrations": not self.settings.is_postgres,
            "log_level": "WARNING",
            "max_executor_threads": self.settings.solve_slots + 4,
            "sys_db_pool_size": self.settings.solve_slots + 6,
        }
        if perform is not None:
            DBOS(config=config)
            DBOS.launch()
            self._launched = True
            DBOS.register_queue(
                QUEUE,
                worker_concurrency=self.settings.solve_slots,
                polling_interval_sec=0.2,
                on_conflict="always_update",
            )
        elif not self.settings.is_postgres:
            DBOS.migrate(self.settings.sqlalchemy_url)
        self._client = DBOSClient(
            system_database_engine=self.database.writer,
            dbos_system_schema=ENGINE_SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    @property
    def client(self) -> DBOSClient:
        """What talks to DBOS. Raises RuntimeError before the start."""
        if self._client is None:
            raise RuntimeError("the job engine is not started")
        return self._client

    def submit(self, connection: Connection, run: Run) -> None:
        """See `JobEngine`."""
        self.client.enqueue_in_transaction(
            connection,
            {
                "queue_name": QUEUE,
                "workflow_name": WORKFLOW,
                "workflow_id": run.workflow_id,
                "app_version": PROTOCOL,
                "application_name": APPLICATION,
            },
            run.id,
        )

    def cancel(self, run: Run) -> None:
        """See `JobEngine`."""
        self.client.cancel_workflow(run.workflow_id)

    def status(self, run: Run) -> JobStatus:
        """See `JobEngine`."""
        found = self.client.list_workflows(workflow_ids=[run.workflow_id], load_input=False, load_output=False)
        if not found:
            return "unknown"
        state = found[0].status
        if state in ("ENQUEUED", "DELAYED"):
            return "waiting"
        return "running" if state == "PENDING" else "ended"

    def recover(self, executors: Sequence[str]) -> int:
        """See `JobEngine`."""
        ids: list[str] = []
        for executor in executors:
            pending = self.client.list_workflows(
                status="PENDING", executor_id=executor, load_input=False, load_output=False
            )
            ids += [workflow.workflow_id for workflow in pending]
        if ids:
            self.client.resume_workflows(ids, queue_name=QUEUE)
        return len(ids)

    def stop(self) -> None:
        """See `JobEngine`."""
        if self._client is not None:
            self._client.destroy()
            self._client = None
        if self._launched:
            DBOS.destroy(workflow_completion_timeout_sec=5)
            self._launched = False
