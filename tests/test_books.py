"""The books of a whole house: each effect has its line, the chain is whole while it runs, the anchor is beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot import cli
from bot.audit import read_anchor
from bot.models import Deployment
from bot.store import audit
from tests.house import PAGE, SERVER, House, eventually, house

pytestmark = pytest.mark.slow
ENDS = {"live": "live", "replaced": "live", "asleep": "asleep", "removed": "closed", "failed": "failed"}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def test_what_the_house_did_is_in_its_books(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")
    broken = await home.propose({**SERVER, "app.py": "raise SystemExit('no')\n"}, branch="broken")
    await home.says(broken, "failed")
    await home.github.close_pull(home.repo, number)
    said = await eventually(lambda: _until_gone(home))

    pushed = home.github.hub.pull(home.repo, number).head_sha
    (live,) = [one for one in said if one["what"] == "preview.live" and one["shas"]["head"] == pushed]
    assert live["actor"]["login"] == "ann"
    assert live["actor"]["how"] == "delivery"
    assert live["before"]["replaced"]
    assert live["artifact"].startswith("sha256:")
    told = {(one["after"]["deployment"], one["what"]) for one in said if "deployment" in one.get("after", {})}
    for row in await _deployments(home):
        assert (row.id, "preview.accepted") in told
        assert (row.id, f"preview.{ENDS[row.state.value]}") in told
    await home.stop()
    await home.start()  # the clock's first round writes a checkpoint
    await eventually(lambda: _there(home.settings.home / "audit.anchor"))
    monkeypatch.setenv("SLIPWAY_HOME", str(home.settings.home))
    anchor = home.settings.home / "audit.anchor"
    assert await asyncio.to_thread(cli.main, ["audit", "verify", "--anchor", str(anchor), "--json"], _no, _no) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lines"], found["checkpoints"]) == (len(said), 1)


def _no(*_args: object) -> int:
    return 2


async def test_a_checkpoint_is_shown_at_github_when_a_repository_is_named(tmp_path: Path) -> None:
    async with house(tmp_path, SLIPWAY_AUDIT_REPOSITORY="acme/shop") as home:
        number = await home.propose(PAGE)
        await home.says(number, "is live")
        await home.stop()
        await home.start()
        pull = home.github.hub.pull(home.repo, number)

        async def shown() -> str | None:
            runs = home.github.hub.repo(home.repo).checks.values()
            found = [one.text for one in runs if one.name == "slipway/audit" and one.suite.sha != pull.head_sha]
            return found[0] if found else None

        line = await eventually(shown)
        assert line in (home.settings.home / "audit.anchor").read_text()
        assert [mark.seq for mark in read_anchor([line])] == [len(await eventually(lambda: _said(home)))]


async def _there(path: Path) -> bool | None:
    return (await asyncio.to_thread(path.exists) and path.stat().st_size > 0) or None


async def _said(home: House) -> list[dict[str, Any]]:
    assert home.service is not None

    def read(session: Session) -> list[dict[str, Any]]:
        return [json.loads(line.payload) for line in audit.lines(session)]

    return await home.service.store.read(read)


async def _until_gone(home: House) -> list[dict[str, Any]] | None:
    """What the books say, once they say that nothing is left."""
    said = await _said(home)
    return said if said[-1]["what"] == "preview.gone" and said[-1]["after"]["verified"] else None


async def _deployments(home: House) -> list[Deployment]:
    assert home.service is not None
    return list(await home.service.store.read(lambda session: session.exec(select(Deployment)).all()))
