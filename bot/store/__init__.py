"""The database: functions of a session, run by one writer thread and a few readers.

    delivery = await store.write(deliveries.accept, guid, event, payload, order, now)

Functions are synchronous, take the session first and touch nothing else, so that any of them can be part of a
larger transaction.  What they return is detached and can be kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from bot.errors import Misconfigured
from bot.store import engine
from bot.store.engine import migrate
from bot.store.writer import Writer

__all__ = ["Store", "migrate"]

_READERS = 4  # threads; reads are short
P = ParamSpec("P")
T = TypeVar("T")
_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Store:
    """One open database.  `changed` counts the commits seen, by this process or another."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.changed = 0
        self._path = engine.path_of(url)
        self._waiting: set[_Waiter] = set()
        self._lock = Lock()
        self._writing = engine.writing(url)
        self._reading = engine.reading(url, _READERS)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._writer = Writer(self._writing, self._announce)

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] = time.time) -> Self:
        """Open a database that `migrate` has seen.  Raises Misconfigured."""
        try:
            return cls(url, clock)
        except DBAPIError as error:
            raise Misconfigured(f"The database {engine.path_of(url)} can't be used: {error.orig}") from error

    async def write(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the writer's next transaction; returns when that is committed.

        Cancelled while it runs, it may be committed all the same."""
        return await asyncio.wrap_future(self._writer.submit(lambda session: fn(session, *args, **kwargs)))

    async def read(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that only reads."""
        call = partial(self._read, lambda session: fn(session, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def wait_changed(self, seen: int, timeout: float | None = None) -> int:
        """Wait until `changed` is no longer `seen`, or for `timeout` seconds; returns the new count.

        Take `seen` before looking at the database, and no change in between is missed."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self.changed != seen:
                return self.changed
            self._waiting.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter[1].wait()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(waiter)
        return self.changed

    @contextlib.contextmanager
    def only_worker(self) -> Iterator[None]:
        """Be the one process that claims from this database.  Raises Misconfigured when another one does."""
        path = self._path.with_name(f"{self._path.name}.lock")
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Misconfigured(f"Another worker uses {self._path}; stop it first, one is enough.") from error
            yield

    def close(self) -> None:
        """Write what was asked for, then let go of the file."""
        self._writer.close()
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    def _read(self, fn: Callable[[Session], T]) -> T:
        with Session(self._reading, expire_on_commit=False) as session:
            return fn(session)

    def _announce(self) -> None:
        with self._lock:
            self.changed += 1
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(event.set)
