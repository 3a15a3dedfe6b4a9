"""A client of the service: `Client`, and `AsyncClient` for asyncio, both typed, with the same methods.

Whatever changes something carries an Idempotency-Key, so that it is sent again after a lost connection or a full server
without being done twice. Errors are `ApiError` with the problem that the service gave (`kind`, `detail`, `errors`).
"""

from __future__ import annotations

from api.client.aio import AsyncClient
from api.client.flows import ApiError, File, Run, Stored
from api.client.sync import Client

__all__ = ["ApiError", "AsyncClient", "Client", "File", "Run", "Stored"]
