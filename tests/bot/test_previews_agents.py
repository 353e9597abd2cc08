"""What a policy says of previews, applied: how long they live, what they are given, how many run at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.errors import TryLater
from bot.models import Deployment, Project, PullRequest, State
from bot.policy.terms import AgentPreview, Agents, Effective, Isolation, Preview
from bot.previews import Previews
from bot.previews.places import Places
from bot.settings import Settings
from bot.store import Store
from runners.base import Artifact, Plan
from tests.bot.test_previews import Box, Outside, build, instance
from tests.bot.test_sweeper import NOW, Nowhere, live

MIB = 1024 * 1024
ROBO = 555


class Setting:
    """Previews under a policy that a test may change."""

    def __init__(self, store: Store, home: Path) -> None:
        self.store, self.effective = store, Effective()
        parts: Any = Outside()
        box: Any = Box()
        settings = Settings(SLIPWAY_HOME=home)  # type: ignore[call-arg]
        self.previews = Previews(settings, store, parts, parts, box, Nowhere(), parts, lambda: NOW, terms=self._terms)
        self.ground = self.previews._ground

    async def _terms(self, _project: Project) -> Effective:
        return self.effective

    async def pull(self, *, agent: bool) -> PullRequest:
        rows = live(limits=None)
        rows[1].agent_id = ROBO if agent else None
        await self.store.write(lambda session: session.add_all([*rows, build()]))
        return await self.store.read(lambda session: session.get_one(PullRequest, (1, 7)))

    async def row(self, ident: str = "d1") -> Deployment:
        return await self.store.read(lambda session: session.get_one(Deployment, ident))


@pytest.fixture
def setting(store: Store, tmp_path: Path) -> Setting:
    return Setting(store, tmp_path)


@pytest.mark.parametrize(("agent", "hours"), [(True, 4), (False, 24)])
async def test_a_preview_lives_as_long_as_the_policy_says(setting: Setting, agent: bool, hours: int) -> None:
    await setting.pull(agent=agent)
    setting.effective = Effective(preview=Preview(ttl=24 * 3600), agents=Agents(preview=AgentPreview(ttl=4 * 3600)))

    assert await setting.previews.lifetime(await setting.row()) == hours * 3600


async def test_a_policy_never_lets_a_preview_live_longer_than_the_server(setting: Setting) -> None:
    await setting.pull(agent=True)
    setting.effective = Effective(preview=Preview(ttl=999 * 3600))

    assert await setting.previews.lifetime(await setting.row()) == 72 * 3600


@pytest.mark.parametrize(("agent", "cpus", "memory"), [(True, 0.5, 128 * MIB), (False, 1.0, 512 * MIB)])
async def test_what_a_preview_is_given(setting: Setting, agent: bool, cpus: float, memory: int) -> None:
    pull = await setting.pull(agent=agent)
    setting.effective = Effective(
        isolation=Isolation(cpu=1.0, memory=4096 * MIB),
        agents=Agents(preview=AgentPreview(cpu=0.5, memory=128 * MIB)),
    )
    artifact = Artifact("sha256:x", "directory", Plan(language="python", kind="server", start="x").as_json(), "1")
    project = await setting.store.read(lambda session: session.get_one(Project, 1))

    given = (await setting.ground.launch(project, pull, "d1", artifact)).limits

    assert (given.cpus, given.memory) == (cpus, memory)


async def neighbour(setting: Setting, number: int, active_at: float, **fields: Any) -> Deployment:
    ident = f"n{number}"
    row = Deployment(
        id=ident,
        delivery=ident,
        project_id=1,
        number=number,
        sha="b" * 40,
        received_at=NOW,
        active_at=active_at,
        **{"state": State.LIVE, "instance": instance(f"box-{ident}", ident).as_json(), **fields},
    )
    await setting.store.write(lambda session: session.add(row))
    return row


class Bed:
    """Who was put to sleep."""

    def __init__(self, setting: Setting) -> None:
        self.slept: list[str] = []
        self._setting = setting

    async def __call__(self, deployment: str) -> None:
        self.slept.append(deployment)
        await self._setting.store.write(
            lambda session: setattr(session.get_one(Deployment, deployment), "state", State.ASLEEP)
        )


async def test_starts_side_by_side_never_take_the_same_place(setting: Setting) -> None:
    await setting.pull(agent=False)
    setting.effective = Effective(preview=Preview(max_concurrent=2))
    rows = [await neighbour(setting, number, NOW, state=State.STARTING, instance=None) for number in (20, 21, 22, 23)]
    places, project = Places(setting.ground, bed := Bed(setting)), await project_of(setting)
    inside, most = 0, 0

    async def start(row: Deployment) -> str | None:
        nonlocal inside, most
        async with places.place(project, row, None) as denied:
            if denied is not None:
                return denied.objection.reason_code
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.05)
            inside -= 1
            return None

    said = await asyncio.gather(*map(start, rows))

    assert most == 2
    assert bed.slept == ["d1"]
    assert sorted(map(str, said)) == ["None", "None", "previews_full", "previews_full"]


async def project_of(setting: Setting) -> Project:
    return await setting.store.read(lambda session: session.get_one(Project, 1))


async def test_the_older_commits_of_ones_own_pull_request_take_up_no_place(setting: Setting) -> None:
    await setting.pull(agent=False)
    setting.effective = Effective(preview=Preview(max_concurrent=1))
    places = Places(setting.ground, bed := Bed(setting))

    async with places.place(await project_of(setting), await setting.row(), None) as denied:
        assert denied is None
    assert bed.slept == []


async def test_a_visitor_waits_while_all_others_are_just_being_started(setting: Setting) -> None:
    await setting.pull(agent=False)
    setting.effective = Effective(preview=Preview(max_concurrent=1))
    await setting.store.write(lambda session: setattr(session.get_one(Deployment, "d1"), "state", State.ASLEEP))
    other = await neighbour(setting, 20, NOW, state=State.STARTING, instance=None)

    async with setting.previews.refresh._places.place(await project_of(setting), other, None):
        with pytest.raises(TryLater):
            await setting.previews.wake("d1")

    await setting.previews.wake("d1")
    assert (await setting.row()).state is State.LIVE
