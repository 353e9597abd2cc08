"""Claims deliveries and runs their handlers: one at a time per lane, a newer commit cancels the older one's work.

Each claim has two tasks: the handler, which may be cancelled at any moment, and its supervisor, which is not, and
writes how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session

from bot import telemetry
from bot.errors import SlipwayError, Superseded, TryLater
from bot.models import Delivery, Work
from bot.store import Store, deliveries
from runners.base import RunnerError

_LOOK_AGAIN = 5.0  # seconds, should every signal be lost
_AFTER_TROUBLE = 1.0  # seconds until the database is asked again
_LONGEST = 3600.0  # seconds a handler may take; builds and starts have shorter limits of their own
_CLEANING = 15.0  # seconds that cancelled handlers have at the end to undo what they began
_log = logging.getLogger(__name__)

Dispatch = Callable[[Delivery], Awaitable[deliveries.Apply | None]]
"""Runs a delivery's handler.  A function it returns is run with the end of the delivery, in one transaction."""


class Worker:
    """The one worker of a database.

    `heavy` and `light` are the places for deliveries that may build and for all others; `prepare` is awaited once it
    is certain that no other worker lives and before the first claim."""

    def __init__(
        self,
        store: Store,
        dispatch: Dispatch,
        *,
        heavy: int,
        light: int = 8,
        clock: Callable[[], float] = time.time,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._dispatch = dispatch
        self._places = {True: heavy, False: light}
        self._clock = clock
        self._prepare = prepare
        self._claims: dict[int, _Claim] = {}
        self._supervisors: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._moved = asyncio.Event()  # a place is free again, or we are to stop
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def running(self) -> int:
        """How many handlers run now."""
        return len(self._claims)

    async def run(self) -> None:
        """Work until `stop` or cancellation; either way what ran is back in the queue or ended when it returns.

        Raises Misconfigured when another process works on this database."""
        with self._store.only_worker():
            self._ended.clear()
            try:
                await self._store.write(deliveries.release_all, self._clock())
                if self._prepare is not None:
                    await self._prepare()
                await self._claim_until_stopped()
            finally:
                try:
                    await asyncio.shield(asyncio.ensure_future(self._wind_up()))
                finally:
                    self._ended.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Claim no more; after `grace` seconds cancel what still runs, to be begun again by the next worker."""
        self._stopping = True
        self._moved.set()
        if self._supervisors and grace > 0:
            await asyncio.wait(self._supervisors, timeout=grace)
        self._cancel(self._claims, Work.QUEUED)
        await self._ended.wait()

    async def _claim_until_stopped(self) -> None:
        while not self._stopping:
            # Both are taken before the look: what happens during it is looked at again.
            self._moved.clear()
            seen = self._store.changed
            pause = await self._turn()
            signals = [asyncio.ensure_future(wait) for wait in (self._moved.wait(), self._wait_changed(seen, pause))]
            try:
                await asyncio.wait(signals, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for signal in signals:
                    signal.cancel()

    async def _wait_changed(self, seen: int, pause: float) -> bool:
        return await self._store.wait_changed(seen, pause) != seen

    async def _turn(self) -> float:
        """Cancel what was superseded, begin what may begin; seconds until the next look."""
        try:
            stop, claimed, due = await self._store.write(
                _look, list(self._claims), self._clock(), self._free(heavy=True), self._free(heavy=False)
            )
        except DBAPIError:
            _log.exception("the queue can't be read; trying again")
            await asyncio.sleep(_AFTER_TROUBLE)
            return 0.0
        self._cancel(stop, Work.SUPERSEDED)
        for delivery in claimed:
            self._begin(delivery)
        return _LOOK_AGAIN if due is None else min(_LOOK_AGAIN, max(0.0, due - self._clock()))

    def _free(self, *, heavy: bool) -> int:
        return self._places[heavy] - sum(claim.delivery.heavy == heavy for claim in self._claims.values())

    def _begin(self, delivery: Delivery) -> None:
        claim = _Claim(delivery, asyncio.create_task(_run(self._dispatch, delivery)))
        self._claims[claim.id] = claim
        supervisor = asyncio.create_task(self._supervise(claim), name=f"delivery {claim.id}")
        self._supervisors.add(supervisor)
        supervisor.add_done_callback(self._supervisors.discard)

    def _cancel(self, ids: Iterable[int], why: Work) -> None:
        for number in ids:
            claim = self._claims.get(number)
            if claim and claim.cancelled_for is None:
                claim.cancelled_for = why
                claim.handler.cancel()

    async def _supervise(self, claim: _Claim) -> None:
        try:
            await asyncio.wait({claim.handler})
            state = await self._write_end(claim)
            telemetry.DELIVERIES.labels(claim.delivery.event, state or "fenced").inc()
        finally:
            del self._claims[claim.id]
            self._moved.set()  # the commit itself was announced while the place was still taken

    async def _write_end(self, claim: _Claim) -> Work | None:
        end = claim.end(self._clock())
        while True:
            try:
                return await self._store.write(end)
            except OperationalError:
                _log.exception("delivery %s has ended and that can't be written; trying again", claim.delivery.guid)
                await asyncio.sleep(_AFTER_TROUBLE)
            except Exception as error:  # the local effect that the handler left: its fault, told like any other
                end = claim.failed(error, self._clock())

    async def _wind_up(self) -> None:
        self._cancel(self._claims, Work.QUEUED)
        if self._supervisors:
            await asyncio.wait(self._supervisors, timeout=_CLEANING)
        for claim in self._claims.values():
            _log.warning("delivery %s does not stop; it will be begun again", claim.delivery.guid)
        with contextlib.suppress(DBAPIError):
            await self._store.write(deliveries.release_all, self._clock())  # a claim may have been on its way to us


_End = Callable[[Session], Work | None]


@dataclass(slots=True)
class _Claim:
    """A delivery in our hands."""

    delivery: Delivery
    handler: asyncio.Task[deliveries.Apply | None]
    cancelled_for: Work | None = None  # the state it is to have after we cancelled it

    @property
    def id(self) -> int:
        assert self.delivery.id is not None  # noqa: S101  (it comes from the database)
        return self.delivery.id

    def end(self, now: float) -> _End:
        """What to write about a handler that has ended."""
        if self.handler.cancelled():
            if self.cancelled_for is None:
                return self.failed(RuntimeError("The handler cancelled itself."), now)
            return self._finished(self.cancelled_for, now)
        error = self.handler.exception()
        if error is None:
            return self._finished(Work.DONE, now, apply=self.handler.result())
        if isinstance(error, Superseded) or self.cancelled_for == Work.SUPERSEDED:
            return self._finished(Work.SUPERSEDED, now, error=_words(error))
        if isinstance(error, TryLater):
            _log.info("delivery %s waits: %s", self.delivery.guid, error)
            return self._finished(Work.QUEUED, now, error=_words(error), run_at=max(now + 1, error.until.timestamp()))
        return self.failed(error, now)

    def failed(self, error: BaseException, now: float) -> _End:
        guid, event = self.delivery.guid, self.delivery.event
        if isinstance(error, SlipwayError | RunnerError):  # the outside's fault, and said in words
            _log.warning("delivery %s (%s) failed: %s", guid, event, error)
        else:
            _log.error("delivery %s (%s) failed", guid, event, exc_info=error)
        return partial(deliveries.fail, id=self.id, attempt=self.delivery.attempt, error=_words(error), now=now)

    def _finished(
        self,
        state: Work,
        now: float,
        *,
        error: str | None = None,
        run_at: float | None = None,
        apply: deliveries.Apply | None = None,
    ) -> _End:
        return partial(
            deliveries.finish,
            id=self.id,
            attempt=self.delivery.attempt,
            state=state,
            now=now,
            error=error,
            run_at=run_at,
            apply=apply,
        )


async def _run(dispatch: Dispatch, delivery: Delivery) -> deliveries.Apply | None:
    async with asyncio.timeout(_LONGEST):
        return await dispatch(delivery)


def _look(
    session: Session, running: list[int], now: float, heavy: int, light: int
) -> tuple[list[int], list[Delivery], float | None]:
    """What of ours is to stop and what is to begin, seen at one moment."""
    stop = deliveries.asked_to_stop(session, running) if running else []
    return (stop, *deliveries.claim(session, now, heavy, light))


def _words(error: BaseException) -> str:
    return telemetry.redact(f"{type(error).__name__}: {error}")[:2000]
