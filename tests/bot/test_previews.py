"""Each recipe of a preview, begun again where a crash left it, and beside what happens at the same moment."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot import app
from bot.deliveries import pack, route
from bot.errors import GitHubDown, TryLater
from bot.github.shapes import project_of, pull_of
from bot.models import Build, Delivery, Deployment, PullRequest, Route, State, Work
from bot.previews import Previews
from bot.releases import Releases
from bot.service import Service
from bot.settings import Settings
from bot.store import Store, deliveries, deployments, pulls
from bot.sweeper import Sweeper
from runners.base import Artifact, Instance, Launch, Log, Plan, RunnerError, Target
from runners.base.logs import FileLog
from tests.bot.test_sweeper import NOW, SHA, Backend, GitHub, Nowhere, live, working

HOUR = 3600.0
OTHER = "b" * 40
MOVING = "pr-7--shop--acme.localhost"
STAMP = "2027-01-01T00:00:00Z"


class Box(Backend):
    """A backend whose stop does what it says, or fails."""

    broken = False

    async def start(self, launch: Launch, log: Log) -> Instance:
        return instance("box-1", launch.deployment)

    async def stop(self, instance: Instance) -> None:
        if self.broken:
            raise RunnerError("can't be ended")
        await super().stop(instance)
        self.running = [one for one in self.running if one.id != instance.id]


class Outside(GitHub):
    """GitHub and the sources."""

    async def forget(self, project_id: int, sha: str) -> None: ...


@dataclasses.dataclass
class Stage:
    store: Store
    box: Box
    outside: Outside
    service: Service
    sweeper: Sweeper
    home: Path

    @property
    def previews(self) -> Previews:
        return self.service.previews

    async def keep(self, *rows: Any) -> None:
        await self.store.write(lambda session: session.add_all(rows))

    async def row(self, ident: str = "d1") -> Deployment:
        found = await self.store.read(deployments.get, ident)
        assert found is not None
        return found

    async def targets(self) -> dict[str, dict[str, Any]]:
        def read(session: Session) -> dict[str, dict[str, Any]]:
            return {one.host: one.target for one in session.exec(select(Route)) if one.target}

        return await self.store.read(read)

    async def errands(self) -> list[tuple[str, float]]:
        def read(session: Session) -> list[tuple[str, float]]:
            return [(one.event, one.run_at) for one in session.exec(select(Delivery)) if one.source == "clock"]

        return await self.store.read(read)

    async def work(self) -> None:
        """Do what the clock has sent."""

        def read(session: Session) -> list[Delivery]:
            return [one for one in session.exec(select(Delivery)) if one.source == "clock"]

        dispatch = app._dispatch(self.service)
        for delivery in await self.store.read(read):
            await dispatch(delivery)


@pytest.fixture
def stage(store: Store, tmp_path: Path) -> Stage:
    box, outside = Box(), Outside()
    settings = Settings(SLIPWAY_HOME=tmp_path)  # type: ignore[call-arg]
    parts: Any = outside
    previews = Previews(settings, store, parts, parts, box, Nowhere(), parts, lambda: NOW)
    releases = Releases(settings, store, parts, parts, box, Nowhere(), lambda: NOW, policies=parts)
    service = Service(store, parts, parts, previews, releases, parts, parts, parts, parts, lambda: NOW)
    return Stage(store, box, outside, service, Sweeper(settings, service, box, lambda: NOW), tmp_path)


def instance(name: str, deployment: str) -> Instance:
    return Instance(name, deployment, "fake", "127.0.0.1", 1)


def build() -> Build:
    plan = Plan(language="python", kind="server", start="serve")
    record = Artifact("sha256:x", "directory", plan.as_json(), "1").as_json()
    return Build(key="k", artifact="sha256:x", record=record, project_id=1)


def former(active_at: float = NOW, **fields: Any) -> Deployment:
    """A commit that was replaced, and whose own address still wakes it."""
    words: dict[str, Any] = {
        "state": State.REPLACED,
        "received_at": NOW - 9 * HOUR,
        "active_at": active_at,
        "live_at": NOW,
        **fields,
    }
    return Deployment(id="d0", delivery="g0", project_id=1, number=7, sha=OTHER, artifact="sha256:x", **words)


def lead(host: str, deployment: str, **fields: Any) -> Route:
    target = Target("instance", deployment, host="127.0.0.1", port=1, **fields)
    return Route(host=host, deployment=deployment, target=target.as_json(), version=1)


def payload(action: str, sha: str, stamp: str = STAMP) -> dict[str, Any]:
    pull = {
        "number": 7,
        "state": "closed" if action == "closed" else "open",
        "updated_at": stamp,
        "head": {"sha": sha, "ref": "b", "repo": {"id": 1}},
        "base": {"ref": "main"},
    }
    repository = {"id": 1, "name": "shop", "owner": {"login": "acme"}}
    return {"action": action, "pull_request": pull, "repository": repository, "installation": {"id": 5}}


async def accept(stage: Stage, guid: str, told: dict[str, Any]) -> Delivery:
    made = await stage.store.write(deliveries.accept, guid, "pull_request", told, route("pull_request", told), NOW)
    assert made is not None
    return made


# ---- expiry


async def test_an_old_commit_expires_without_the_commit_that_people_visit(stage: Stage) -> None:
    await stage.keep(*live(live_at=NOW), build(), former(active_at=NOW - 80 * HOUR))
    await stage.keep(lead(MOVING, "d1"), lead("c-bbbbbbb--shop--acme.localhost", "d0", asleep=True))
    stage.box.running = [instance("box-1", "d1")]

    await stage.sweeper.near()
    await stage.work()

    assert (await stage.row("d0")).state is State.REMOVED
    assert (await stage.row("d1")).state is State.LIVE
    assert list(await stage.targets()) == [MOVING]
    assert stage.box.stopped == []


async def test_an_expiry_that_a_crash_cut_short_is_finished(stage: Stage) -> None:
    await stage.keep(*live(active_at=NOW - 80 * HOUR, live_at=NOW - 80 * HOUR), build())
    await stage.keep(lead(MOVING, "d1"), lead("c-aaaaaaa--shop--acme.localhost", "d1"))
    await stage.store.write(deployments.expiring, 1, 7, NOW, states=deployments.HOLDING)  # and then the crash

    await stage.previews.expire("d1")

    assert stage.box.stopped == ["box-1"]
    assert {host: one["kind"] for host, one in (await stage.targets()).items()} == {MOVING: "page"}
    stage.box.stopped.clear()
    await stage.previews.expire("d1")
    assert stage.box.stopped == []


async def test_who_comes_between_the_clock_and_its_work_keeps_the_preview(stage: Stage) -> None:
    await stage.keep(*live(active_at=NOW - 80 * HOUR, live_at=NOW), build())
    stage.box.running = [instance("box-1", "d1")]
    await stage.sweeper.near()

    def visited(session: Session) -> None:
        session.get_one(Deployment, "d1").active_at = NOW

    await stage.store.write(visited)
    await stage.work()

    assert (await stage.row()).state is State.LIVE


# ---- one instance, one row


async def test_an_instance_that_is_taken_over_has_one_row(stage: Stage) -> None:
    """Else the former commit, put to rest after a crash, would stop what is live."""
    await stage.keep(*live())
    taken = (await stage.row()).instance
    words: dict[str, Any] = {"state": State.STARTING, "received_at": NOW, "artifact": "sha256:x"}
    await stage.keep(Deployment(id="d2", delivery="g2", project_id=1, number=7, sha=OTHER, **words))

    replaced = await stage.store.write(lambda s: deployments.go_live(s, "d2", {}, NOW, instance=taken))

    assert [one.instance for one in replaced or ()] == [None]
    assert (await stage.row("d1")).instance is None
    assert (await stage.row("d2")).instance == taken


async def test_what_was_replaced_and_not_yet_stopped_when_we_were_killed_is_stopped(stage: Stage) -> None:
    left = instance("box-0", "d0")
    await stage.keep(*live(), build(), former(instance=left.as_json()))
    await stage.keep(lead("c-bbbbbbb--shop--acme.localhost", "d0", asleep=True))
    stage.box.running = [instance("box-1", "d1"), left]

    await stage.sweeper.near()
    await stage.work()

    assert stage.box.stopped == ["box-0"]
    assert (await stage.row("d0")).instance is None


@pytest.mark.parametrize("routes", [[lead("c-bbbbbbb--shop--acme.localhost", "d0", asleep=True)], []])
async def test_the_next_commit_stops_what_the_last_switch_had_no_time_to_stop(
    stage: Stage, routes: list[Route]
) -> None:
    """Five pushes in two seconds: each cancels the one before, also while that lets its former end."""
    left = instance("box-0", "d0")
    await stage.keep(*live(state=State.STARTING, instance=None), former(instance=left.as_json()))
    await stage.keep(*(Route(**one.model_dump()) for one in routes))

    replaced = await stage.store.write(lambda s: deployments.go_live(s, "d1", {}, NOW))

    assert [one.instance for one in replaced or ()] == [left.as_json()]


async def test_an_old_commit_that_somebody_looks_at_is_left_running(stage: Stage) -> None:
    woken = instance("box-0", "d0")
    await stage.keep(*live(), build(), former(instance=woken.as_json()))
    await stage.keep(lead("c-bbbbbbb--shop--acme.localhost", "d0"))
    stage.box.running = [instance("box-1", "d1"), woken]

    await stage.sweeper.near()

    assert await stage.errands() == []


async def test_an_instance_that_could_not_be_stopped_stays_in_the_books(stage: Stage) -> None:
    left = instance("box-0", "d0")
    await stage.keep(*live(), build(), former(instance=left.as_json()))
    stage.box.broken = True

    with pytest.raises(RunnerError):
        await stage.previews.sleep("d0")

    assert (await stage.row("d0")).instance == left.as_json()


async def test_what_a_former_life_was_starting_is_stopped_before_work_begins(stage: Stage) -> None:
    await stage.keep(*live(state=State.STARTING, instance=None), working("1#7"))
    stage.box.running = [instance("box-1", "d1")]

    await stage.sweeper.clear()

    assert stage.box.stopped == ["box-1"]


async def test_what_is_being_woken_while_it_is_closed_is_stopped_and_nothing_is_left(stage: Stage) -> None:
    await stage.keep(*live(state=State.ASLEEP, instance=None, live_at=NOW), build())
    stage.box.running = [instance("box-2", "d1")]
    standing = await stage.store.read(deployments.standing, 1, 7)
    assert standing is not None
    standing.pull.state = "closed"

    await stage.previews.close(standing.project, standing.pull)

    after = await stage.store.read(deployments.standing, 1, 7)
    assert after is not None
    assert stage.box.stopped == ["box-2"]
    assert (after.pull.receipt or {})["verified"] is True


async def test_a_switch_that_was_cancelled_on_its_way_and_made_all_the_same_keeps_its_instance(stage: Stage) -> None:
    await stage.keep(*live(state=State.STARTING, instance=None), build())
    standing = await stage.store.read(deployments.standing, 1, 7)
    assert standing is not None and standing.newest is not None
    artifact = Artifact.from_json(build().record)
    bring_up = stage.previews.refresh._bring_up
    busy = asyncio.create_task(stage.store.write(lambda _session: time.sleep(0.3)))  # while that is committed ...
    await asyncio.sleep(0.1)
    log = FileLog(stage.home / "log", str)
    task = asyncio.create_task(bring_up(standing.project, standing.pull, standing.newest, artifact, log))
    await asyncio.sleep(0.1)  # ... the switch waits, and something slow behind it: both in one transaction
    slow = asyncio.create_task(stage.store.write(lambda _session: time.sleep(0.4)))
    await busy
    await asyncio.sleep(0.1)

    task.cancel()
    await asyncio.gather(task, slow, return_exceptions=True)

    assert task.cancelled()
    assert (await stage.row()).state is State.LIVE
    assert stage.box.stopped == []


# ---- work that ended without a result


async def test_a_deployment_that_no_delivery_works_on_ends(stage: Stage) -> None:
    await stage.keep(*live(state=State.BUILDING, instance=None))

    await stage.sweeper.near()

    row = await stage.row()
    assert row.state is State.FAILED
    assert (row.failure or {})["reason_code"] == "slipway_failed"


async def test_a_deployment_that_waits_in_the_queue_is_left_alone(stage: Stage) -> None:
    waiting = working("1#7")
    waiting.state = Work.QUEUED
    await stage.keep(*live(state=State.BUILDING, instance=None), waiting)

    await stage.sweeper.near()

    assert (await stage.row()).state is State.BUILDING


async def test_a_delivery_tried_again_after_it_ended_displays_nothing_older(stage: Stage) -> None:
    await stage.keep(*live(), former())

    def begin(session: Session) -> str | None:
        pull = session.get_one(PullRequest, (1, 7))
        deployments.begin(session, "g0", pull, OTHER, NOW)
        return session.get_one(PullRequest, (1, 7)).displayed

    assert await stage.store.write(begin) == "d1"


async def test_a_github_that_is_down_is_waited_for_longer_than_three_tries(stage: Stage) -> None:
    tried = working("1#7")
    tried.event, tried.failures, tried.received_at = "slipway.look", len(deliveries.RETRIES), NOW - HOUR / 2
    tried.body = pack({"project": 1, "number": 7})
    await stage.keep(*live(state=State.FETCHING, instance=None))
    stage.outside.pull = _down  # type: ignore[attr-defined]

    with pytest.raises(TryLater) as later:
        await app._dispatch(stage.service)(tried)
    assert dt.timedelta(0) < later.value.until - dt.datetime.fromtimestamp(NOW, dt.UTC) <= dt.timedelta(minutes=1)

    tried.received_at = NOW - 2 * HOUR
    with pytest.raises(GitHubDown):
        await app._dispatch(stage.service)(tried)
    assert (await stage.row()).state is State.FAILED


async def _down(_number: int) -> dict[str, Any]:
    raise GitHubDown("no answer")


# ---- two states within one second of GitHub's clock


async def test_deliveries_of_one_second_that_wait_together_are_asked_about(stage: Stage) -> None:
    """Which of them is the later one GitHub alone knows: they may arrive in any order."""
    await accept(stage, "g1", payload("reopened", SHA))
    assert await stage.errands() == []

    await accept(stage, "g2", payload("closed", SHA))

    assert await stage.errands() == [("slipway.look", NOW + deliveries.LAG)]


async def test_a_delivery_of_the_second_that_the_books_know_is_asked_about(stage: Stage) -> None:
    await stage.keep(*live())
    told = payload("synchronize", OTHER)

    def note(session: Session) -> None:
        pulls.note_pull(session, project_of(told), pull_of(told["pull_request"], 1), NOW)

    await stage.store.write(note)
    await stage.store.write(note)

    assert await stage.errands() == [("slipway.look", NOW + deliveries.LAG)]


async def test_a_closing_that_was_missed_is_noticed_by_the_next_word_about_it(stage: Stage) -> None:
    await stage.keep(*live(live_at=NOW), build())
    stage.box.running = [instance("box-1", "d1")]
    told = payload("closed", SHA, "2027-01-02T00:00:00Z") | {"action": "labeled"}
    delivery = await accept(stage, "g9", told)

    await app._dispatch(stage.service)(delivery)

    assert stage.box.stopped == ["box-1"]
    assert (await stage.row()).state is State.REMOVED
