"""The watch, end to end: what visitors meet and what does not stay up goes back by itself; one bad moment does not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from bot import telemetry
from bot.messages import inline
from bot.models import AuditEntry, Release, Stage
from bot.releases import Watch
from bot.store import traffic
from runners.base import Traffic
from tests import house as houses
from tests.house import SERVER, House, eventually
from tests.shipping import MAIN, books, promote, proposed, stage, watched

pytestmark = pytest.mark.slow
VISITS = 30


def shop(word: str, buy: str = "pass") -> dict[str, str]:
    """A shop whose front page is always well; `buy` is what its other page does in production before it answers."""
    app = f"""\
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200
        if self.path == "/buy" and os.environ["SLIPWAY_ENVIRONMENT"] == "production":
            {buy}
        self.send_response(status); self.end_headers(); self.wfile.write(b"hello {word}")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
    return {**SERVER, "app.py": app}


@contextlib.asynccontextmanager
async def opened(folder: Path, *, apart: bool = False) -> AsyncIterator[House]:
    async with houses.stage(folder) as one:
        one.github.user("mia")
        one.github.grant(one.repo, "mia", "maintain")
        await one.start(apart=apart)
        try:
            yield one
        finally:
            await one.stop()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as one:
        yield one


async def visits(home: House, number: int = VISITS) -> None:
    """Half of them buy."""
    for _ in range(number // 2):
        await asyncio.gather(home.visit(MAIN), home.visit(MAIN, "/buy"))


async def counted(home: House, release: str, number: int) -> Traffic:
    """What the worker's half knows of a release, once it knows so much."""
    assert home.service is not None
    store = home.service.store

    async def looked() -> Traffic | None:
        found = await store.read(traffic.of, release)
        return found if found.requests >= number else None

    return await eventually(looked)


async def visited(home: House) -> Release:
    """A good release that was verified and has met visitors."""
    watched(home, Watch(interval=0.1, min_samples=1, window=0.5))
    assert (await promote(home, await proposed(home, shop("one")))).done
    good = await stage(home, Stage.VERIFIED)
    await visits(home)
    await counted(home, good.id, VISITS)
    return good


async def rolled_back(home: House) -> Release:
    """Visitors come until production is what it was."""

    async def came() -> Release | None:
        await visits(home, 8)
        rows = (await books(home))[1]
        return next((row for row in rows if row.state is Stage.FAILED), None)

    return await eventually(came)


async def last_switch(home: House) -> dict[str, object]:
    def look(session: Session) -> dict[str, object]:
        lines = [json.loads(line.payload) for line in session.exec(select(AuditEntry).order_by(AuditEntry.seq))]  # type: ignore[arg-type]
        return dict(next(line for line in reversed(lines) if line["what"] == "release.rolled_back"))

    assert home.service is not None
    return await home.service.store.read(look)


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "web and worker"])
async def test_requests_that_fail_bring_the_former_release_back(tmp_path: Path, apart: bool) -> None:
    async with opened(tmp_path, apart=apart) as home:
        await visited(home)
        watched(home, Watch(interval=0.3, window=60))
        second = await proposed(home, shop("two", "status = 500"), "other")
        assert (await promote(home, second)).done

        bad = await rolled_back(home)

        assert bad.failure is not None
        seen = bad.failure["figures"]
        assert seen["requests"] >= 20
        assert 0 < seen["failures"] < seen["requests"]  # its front page was well
        assert seen["before"]["failures"] == 0
        words = f"{seen['failures']} of {seen['requests']} requests failed"
        assert words in bad.failure["message"]
        assert bad.failure["message"].endswith(", 0 % before.")
        await home.shows(MAIN, "hello one")
        await home.says(
            second, "failed and was rolled back", words, inline("%), 0 % before"), "visitors so far", "held"
        )
        assert home.twin(second)["reason_code"] == "rolled_back"
        line = await last_switch(home)
        assert line["after"]["seen"] == seen  # type: ignore[index]
        assert (await books(home))[0].hold_release == bad.id


async def test_a_value_that_production_prints_as_it_fails_is_in_no_evidence(home: House) -> None:
    await visited(home)
    telemetry.hide(["productions-own-value"])
    watched(home, Watch(interval=0.3, window=60))
    prints = 'status = 500; print("it was given", "productions-own" + "-value", flush=True)'
    second = await proposed(home, shop("two", prints), "other")
    assert (await promote(home, second)).done

    bad = await rolled_back(home)

    assert bad.failure is not None
    assert "it was given ***" in bad.failure["log"]
    assert "productions-own-value" not in json.dumps(bad.failure)


async def test_slow_answers_bring_the_former_release_back(home: House) -> None:
    await visited(home)
    watched(home, Watch(interval=0.3, window=60))
    second = await proposed(home, shop("two", "time.sleep(0.8)"), "other")
    assert (await promote(home, second)).done

    bad = await rolled_back(home)

    assert bad.failure is not None
    assert "slow: p95 1 s, 0.0" in bad.failure["message"]
    assert bad.failure["figures"]["failures"] == 0


async def test_what_failed_before_as_well_stays(home: House) -> None:
    """The same page fails in the former release: it is not this release's doing."""
    watched(home, Watch(interval=0.1, min_samples=1, window=0.5))
    assert (await promote(home, await proposed(home, shop("one", "status = 500")))).done
    former = await stage(home, Stage.VERIFIED)
    await visits(home)
    await counted(home, former.id, VISITS)
    watched(home, Watch(interval=0.2, min_samples=2, window=5))
    assert (await promote(home, await proposed(home, shop("two", "status = 500"), "other"))).done
    current = (await books(home))[1][-1]

    await visits(home)
    await counted(home, current.id, VISITS)

    assert (await stage(home, Stage.VERIFIED)).watch is not None
    assert (await books(home))[0].generation == 2


async def test_a_crash_loop_brings_the_former_release_back(home: House) -> None:
    await visited(home)
    watched(home, Watch(interval=0.3, fail_after=200, window=120))
    second = await proposed(home, shop("two", "os._exit(3)"), "other")
    assert (await promote(home, second)).done
    await home.shows(MAIN, "hello two")

    for _ in range(2):
        with contextlib.suppress(Exception):
            await home.visit(MAIN, "/buy")
        await shows_anything(home)

    bad = await stage(home, Stage.FAILED, 1)
    assert bad.failure is not None
    assert bad.failure["message"].endswith("is in a crash loop: it stopped 2 times.")
    await home.shows(MAIN, "hello one")


async def shows_anything(home: House) -> None:
    async def looked() -> bool | None:
        return True if (await home.visit(MAIN)).status_code == 200 else None

    await eventually(looked)


async def test_what_died_once_is_started_again_and_may_be_verified(home: House) -> None:
    """No visitor comes and no sweep is due: the watch itself brings it back."""
    await visited(home)
    watched(home, Watch(interval=0.3, fail_after=200, min_samples=2, window=6))
    assert (await promote(home, await proposed(home, shop("two"), "other"))).done
    row = (await books(home))[1][-1]
    assert row.instance is not None

    os.killpg(int(row.instance["id"].split(":")[0]), signal.SIGKILL)

    kept = await stage(home, Stage.VERIFIED)
    assert kept.watch is not None
    assert kept.watch["stops"] == 1
    assert "it does not run any more" in [word for _at, word, _figures in kept.watch["samples"]]
    await home.shows(MAIN, "hello two")


async def test_visitors_who_break_everything_move_production_once(home: House) -> None:
    """The bound of what hostile requests can do: one way back, a hold, then a person is called."""
    sour = 'status = 500 if os.path.exists("sour") else 200'
    watched(home, Watch(interval=0.1, min_samples=1, window=0.5))
    assert (await promote(home, await proposed(home, shop("one", sour)))).done
    good = await stage(home, Stage.VERIFIED)
    await visits(home)
    await counted(home, good.id, VISITS)
    watched(home, Watch(interval=0.3, window=60))
    assert (await promote(home, await proposed(home, shop("two", sour), "other"))).done
    for row in (await books(home))[1]:
        (home.settings.home / "instances" / row.id / "app" / "sour").touch()
    await rolled_back(home)

    async def paged() -> Release | None:
        await visits(home, 8)
        row = (await books(home))[1][-1]
        return row if row.state is Stage.FAILED and row.kind == "rollback" else None

    last = await eventually(paged)
    assert last.failure is not None
    assert last.failure["paged"]
    assert "requests failed" in last.failure["message"]
    env, rows = await books(home)
    assert (env.generation, len(rows)) == (3, 3)
    assert env.hold is not None


async def test_counters_that_cannot_be_read_are_no_failure(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> Traffic:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    watched(home, Watch(interval=0.1, min_samples=2, window=1))
    monkeypatch.setattr(traffic, "of", unreadable)
    assert (await promote(home, await proposed(home, shop("one")))).done

    row = await stage(home, Stage.INCONCLUSIVE)

    assert row.watch is not None
    assert {word for _at, word, _figures in row.watch["samples"]} == {"unknown"}
