"""The one thread that writes: what waits while a commit runs shares the next one."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

_POLL = 0.05  # seconds between looks for other processes' commits
_BATCH = 256  # functions per commit at most
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[Session], Any]
    future: Future[Any] = field(default_factory=Future)


class _NotBegun(Exception):
    """The write lock can't be had: another process keeps it, or the disk does not answer."""

    def __init__(self, reason: DBAPIError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Writer:
    """Runs functions of a session, in order, many to a commit.

    A function only touches its session: when one fails, all of its batch are rolled back and run again one by one.
    """

    def __init__(self, engine: Engine, committed: Callable[[], None]) -> None:
        self._committed = committed
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._connection = engine.connect()
        self._raw = cast(sqlite3.Connection, self._connection.connection.driver_connection)
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Session], Any]) -> Future[Any]:
        """Its result once it is committed.  Cancelled before it has begun, it does not run; afterwards it ends."""
        job = _Job(run)
        with self._closing:
            if self._closed:
                raise RuntimeError("The store is closed.")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Write what was submitted, then end."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        seen = self._foreign()
        more = True
        while more:
            jobs, more = self._take()
            batch = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)
            if seen != (seen := self._foreign()):
                self._committed()
        self._connection.close()

    def _take(self) -> tuple[list[_Job], bool]:
        """What waits, and whether more may come."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_POLL)
            while job is not None and len(jobs) < _BATCH - 1:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, True
        return (jobs, False) if job is None else ([*jobs, job], True)

    def _foreign(self) -> int:
        """A number that changes when another connection, another process's too, has committed."""
        try:
            (version,) = self._raw.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # a full disk, a lock held for long: the next look is soon
            _log.warning("the database does not answer", exc_info=True)
            return -1
        return int(version)

    def _commit(self, batch: list[_Job]) -> None:
        before = self._raw.total_changes
        try:
            results = self._together(batch)
        except _NotBegun as error:  # one by one, each would wait as long
            for job in batch:
                job.future.set_exception(error.reason)
            return
        except BaseException as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            else:
                for job in batch:
                    self._commit([job])
            return
        if self._raw.total_changes != before:  # before the results: who has one finds the change counted
            self._committed()
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)

    def _together(self, batch: list[_Job]) -> list[Any]:
        results = []
        with Session(self._connection, expire_on_commit=False) as session:
            try:
                session.connection()
            except DBAPIError as error:
                raise _NotBegun(error) from error
            for job in batch:
                results.append(job.run(session))
                session.flush()
                session.expunge_all()  # each function has objects of its own, and its caller keeps them
            session.commit()
        return results
