"""Uploads: streamed to the disk as they come, from a raw body or from one file of a form."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import UploadFile

from api.jobs.problems import ProblemError
from api.jobs.text import refuse_unsayable
from api.service.services import Services
from api.store.artifacts import Artifacts, Stored

CSV_TYPES = ("text/csv", "application/csv", "application/gzip", "application/x-gzip")
PARQUET_TYPES = ("application/vnd.apache.parquet", "application/x-parquet", "application/parquet")
OTHER_TYPES = (
    "application/json",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/plain",
    "text/tab-separated-values",
)
TABLE_TYPES = (*CSV_TYPES, *PARQUET_TYPES, "application/octet-stream")
HISTORY_TYPES = (*TABLE_TYPES, *OTHER_TYPES)
_CHUNK = 1 << 20
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Upload:
    """A stored upload: what it is called, where it lies, and what it is: csv, parquet, json or xlsx, by its content."""

    name: str
    stored: Stored
    format: str
    fields: dict[str, str]


async def receive(request: Request, services: Services, types: tuple[str, ...] = TABLE_TYPES) -> Upload:
    """Store the request's file. types: media types that a raw body may have.

    Raises ProblemError for other media types, an empty or a missing file, or no room on the disk.
    """
    services.ready_for_work()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await request.form(max_files=1, max_fields=20)
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ProblemError("invalid-request", 'found no file; allowed: a form with the field "file"')
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        name = file.filename or "history"
        refuse_unsayable(fields | {"file": name})
        stored, head = await _store(_of_file(file), services.artifacts)
        return Upload(name, stored, _format(head), fields)
    if kind not in types:
        allowed = f"multipart/form-data, {', '.join(types)}"
        raise ProblemError("unsupported-media-type", f"found {kind or 'nothing'}; allowed: {allowed}")
    stored, head = await _store(request.stream(), services.artifacts)
    return Upload("history", stored, _format(head), {})


async def taken(request: Request, services: Services, owner: str, types: tuple[str, ...] = TABLE_TYPES) -> Upload:
    """`receive`, as one of the uploads that the owner may have under way. Raises ProblemError as it does."""
    with services.uploads.taken(owner):
        return await receive(request, services, types)


def body_of(example: str, *more: str) -> dict[str, Any]:
    """What the interface's document says of an upload: CSV, with an example, and more media types."""
    table = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["file"], "properties": {"file": table}}
    schemas = {"multipart/form-data": form, "application/json": {"type": "object"}}
    content: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}, "example": example}}
    content |= {kind: {"schema": schemas.get(kind, table)} for kind in more}
    return {"requestBody": {"required": True, "content": content}}


async def _of_file(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


async def _store(chunks: AsyncIterator[bytes], artifacts: Artifacts) -> tuple[Stored, bytes]:
    temporary = artifacts.incoming / uuid4().hex
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        with temporary.open("wb") as out:
            async for chunk in chunks:
                head = head or chunk[:16]
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
            out.flush()
            await asyncio.to_thread(os.fsync, out.fileno())  # nobody else need wait for the disk
        if size == 0:
            raise ProblemError("invalid-history", "found an empty file; allowed: a table with timestamp and value")
        return await asyncio.to_thread(artifacts.adopt, temporary, Stored(digest.hexdigest(), size)), head
    finally:
        temporary.unlink(missing_ok=True)


def _format(head: bytes) -> str:
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    if head.startswith(b"PK"):
        return "xlsx"
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"
