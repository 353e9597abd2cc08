"""A web process and worker in one, made to be killed: `python -m tests.bot.killed HOME`.

Each delivery's handler appends to a journal on disk (an effect outside) and counts in the database (one inside).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from functools import partial
from pathlib import Path

from aiohttp import web as http
from sqlalchemy import text
from sqlmodel import Session

from bot import web
from bot.models import Delivery
from bot.store import Store, deliveries, migrate
from bot.worker import Worker
from runners.proxy import Proxy
from tests.bot.door import settings


class Journal:
    """Lines that are on disk when `note` returns."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def note(self, *words: str) -> None:
        os.write(self._file, f"{os.getpid()} {' '.join(words)}\n".encode())
        os.fsync(self._file)


def make_tally(session: Session) -> None:
    session.execute(text("CREATE TABLE IF NOT EXISTS tally (seq INTEGER PRIMARY KEY, guid TEXT, lane TEXT)"))


def count(session: Session, guid: str, lane: str) -> None:
    session.execute(text("INSERT INTO tally (guid, lane) VALUES (:guid, :lane)"), {"guid": guid, "lane": lane})


async def main(home: Path) -> None:
    url = f"sqlite:///{home}/slipway.db"
    migrate(url)
    store, journal = Store.open(url), Journal(home / "journal")
    await store.write(make_tally)

    async def dispatch(delivery: Delivery) -> deliveries.Apply:
        journal.note("begin", delivery.key, delivery.guid)
        await asyncio.sleep(random.uniform(0, 0.03))
        journal.note("end", delivery.key, delivery.guid)
        return partial(count, guid=delivery.guid, lane=delivery.key)

    async def ready() -> list[str]:
        return []

    async def no_wake(_host: str, _target: object) -> None:
        return

    proxy = Proxy("localhost", wake=no_wake)
    runner = web.runner(web.application(settings(home), store, proxy=proxy, ready=ready))
    await runner.setup()
    await http.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await Worker(store, dispatch, heavy=2).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
