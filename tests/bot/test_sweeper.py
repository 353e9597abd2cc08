"""The clock: what should have happened, what is due, and what is never touched."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.builds.scan import Equipment, Scanning
from bot.errors import GitHubDown, GitHubRefused
from bot.models import Delivery, Deployment, Environment, Project, PullRequest, Release, Stage, State, Work
from bot.previews import Previews
from bot.releases import Releases
from bot.reports.scan import ScanCheck
from bot.scanners.results import Results
from bot.service import Service
from bot.settings import Settings
from bot.store import Store
from bot.sweeper import Sweeper
from runners.base import Artifact, Instance, Launch, Limits, Log, Source, Target, Unavailable

NOW = 1_800_000_000.0
HOUR = 3600.0
SHA = "a" * 40


class Backend:
    """A backend that runs what it is told it runs, and remembers what was stopped."""

    name, isolates = "fake", True

    def __init__(self) -> None:
        self.running: list[Instance] = []
        self.stopped: list[str] = []
        self.down = False

    async def instances(self) -> list[Instance]:
        if self.down:
            raise Unavailable("no answer")
        return self.running

    async def stop(self, instance: Instance) -> None:
        self.stopped.append(instance.id)

    async def ready(self) -> None: ...
    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        raise NotImplementedError

    async def start(self, launch: Launch, log: Log) -> Instance:
        raise NotImplementedError

    async def sleep(self, instance: Instance) -> None: ...
    async def wake(self, instance: Instance) -> None: ...
    async def healthy(self, instance: Instance) -> bool:
        return True

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        return ""

    async def forget(self, artifact: Artifact) -> None: ...
    async def close(self) -> None: ...


class Nowhere:
    """A router with nobody behind it."""

    async def point(self, host: str, target: Target) -> None: ...
    async def drop(self, host: str) -> None: ...
    async def drained(self, deployment: str, seconds: float) -> bool:
        return True


@dataclasses.dataclass
class GitHub:
    """What GitHub says, for the sweep."""

    pulls: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    failed: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    redelivered: list[int] = dataclasses.field(default_factory=list)
    error: Exception | None = None

    async def installations(self) -> list[dict[str, Any]]:
        return [{"id": 5, "account": {"login": "acme"}}, {"id": 6, "suspended_at": "2026-01-01T00:00:00Z"}]

    async def installation_repositories(self, installation: int) -> list[dict[str, Any]]:
        assert installation == 5
        return [{"id": 1, "name": "shop", "owner": {"login": "acme"}, "default_branch": "main"}]

    def repository(self, *_names: object) -> GitHub:
        return self

    async def open_pulls(self) -> list[dict[str, Any]]:
        if self.error:
            raise self.error
        return self.pulls

    async def failed_deliveries(self, since: float) -> list[dict[str, Any]]:
        assert since == NOW - 3 * 86400
        return self.failed

    async def redeliver(self, delivery: int) -> None:
        self.redelivered.append(delivery)


@dataclasses.dataclass
class Scene:
    store: Store
    backend: Backend
    github: GitHub
    sweeper: Sweeper
    scans: Path  # where they are made

    async def errands(self) -> list[tuple[str, str]]:
        def read(session: Session) -> list[tuple[str, str]]:
            return [(one.event, one.key) for one in session.exec(select(Delivery)) if one.event != "slipway.watch"]

        return await self.store.read(read)

    async def looks(self) -> int:
        """How many looks at releases were sent for."""
        return await self.store.read(
            lambda session: len([one for one in session.exec(select(Delivery)) if one.event == "slipway.watch"])
        )

    async def keep(self, *rows: Any) -> None:
        await self.store.write(lambda session: [session.add(row) for row in rows] and None)


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Scene:
    backend, github = Backend(), GitHub()
    settings = Settings(SLIPWAY_HOME=tmp_path)
    parts: Any = github
    previews = Previews(settings, store, parts, parts, backend, Nowhere(), parts, lambda: NOW)
    releases = Releases(settings, store, parts, parts, backend, Nowhere(), lambda: NOW, policies=parts)
    scanning = Scanning(store, parts, Equipment(parts, tmp_path / "scan", parts), lambda: NOW)
    scan = ScanCheck(store, parts, parts, scanning, lambda: NOW)
    service = Service(store, parts, parts, previews, releases, parts, parts, parts, scan, lambda: NOW)
    return Scene(store, backend, github, Sweeper(settings, service, backend, lambda: NOW), tmp_path / "scan")


def live(**fields: Any) -> list[Any]:
    instance = {"id": "box-1", "deployment": "d1", "runner": "fake", "host": "127.0.0.1", "port": 1}
    row = {"state": State.LIVE, "instance": instance, "received_at": NOW, "active_at": NOW, **fields}
    return [
        Project(id=1, installation_id=5, owner="acme", name="shop"),
        PullRequest(project_id=1, number=7, head_sha=SHA, displayed="d1", updated_at="2027-01-01T00:00:00Z"),
        Deployment(id="d1", delivery="g1", project_id=1, number=7, sha=SHA, artifact="sha256:x", **row),
    ]


def working(key: str) -> Delivery:
    """A delivery that is being worked on."""
    return Delivery(guid="g1", event="pull_request", key=key, state=Work.RUNNING, received_at=NOW)


def listed(number: int = 7, sha: str = SHA, updated: str = "2027-01-15T00:00:00Z") -> dict[str, Any]:
    return {
        "number": number,
        "state": "open",
        "updated_at": updated,
        "head": {"sha": sha, "ref": "b", "repo": {"id": 1}},
        "base": {"ref": "main"},
    }


async def test_an_idle_preview_is_sent_to_sleep(scene: Scene) -> None:
    await scene.keep(*live(active_at=NOW - 31 * 60))
    scene.backend.running = [Instance("box-1", "d1", "fake", "127.0.0.1", 1)]

    await scene.sweeper.near()

    assert await scene.errands() == [("slipway.sleep", "wake:d1")]


async def test_a_preview_nobody_came_to_expires(scene: Scene) -> None:
    await scene.keep(*live(active_at=NOW - 73 * HOUR))

    await scene.sweeper.near()

    assert await scene.errands() == [("slipway.expire", "wake:d1")]


async def test_a_busy_preview_is_left_alone(scene: Scene) -> None:
    await scene.keep(*live())
    scene.backend.running = [Instance("box-1", "d1", "fake", "127.0.0.1", 1)]

    await scene.sweeper.near()
    await scene.sweeper.near()

    assert await scene.errands() == []
    assert scene.backend.stopped == []


async def test_a_stranger_is_stopped_when_it_was_seen_twice(scene: Scene) -> None:
    scene.backend.running = [Instance("box-9", "d9", "fake", "127.0.0.1", 1)]

    await scene.sweeper.near()
    assert scene.backend.stopped == []
    await scene.sweeper.near()

    assert scene.backend.stopped == ["box-9"]


async def test_what_is_being_started_is_no_stranger(scene: Scene) -> None:
    await scene.keep(*live(state=State.STARTING, instance=None), working("1#7"))
    scene.backend.running = [Instance("box-1", "d1", "fake", "127.0.0.1", 1)]

    await scene.sweeper.near()
    await scene.sweeper.near()

    assert scene.backend.stopped == []


def production(state: Stage) -> list[Any]:
    """What serves, on an instance of its own; its next look is due when it is watched."""
    row = Release(
        id="r1",
        delivery="g9",
        project_id=1,
        environment="production",
        deployment="d1",
        sha=SHA,
        artifact="sha256:x",
        state=state,
        generation=1,
        instance={"id": "box-7", "deployment": "r1", "runner": "fake", "host": "127.0.0.1", "port": 1},
        started_at=NOW,
    )
    look = [Delivery(guid="w1", event="slipway.watch", key="watch:r1", received_at=NOW)]
    env = Environment(project_id=1, name="production", generation=1, release="r1")
    return [row, env, *(look if state is Stage.VERIFYING else [])]


async def test_a_look_that_failed_for_good_is_sent_for_again(scene: Scene) -> None:
    row, env, look = production(Stage.VERIFYING)
    look.state = Work.FAILED
    await scene.keep(row, env, look)

    await scene.sweeper.near()
    await scene.sweeper.near()

    assert await scene.looks() == 2


@pytest.mark.parametrize("state", [Stage.VERIFYING, Stage.VERIFIED])
async def test_production_is_no_stranger(scene: Scene, state: Stage) -> None:
    await scene.keep(*production(state))
    scene.backend.running = [Instance("box-7", "r1", "fake", "127.0.0.1", 1)]

    await scene.sweeper.near()
    await scene.sweeper.near()

    assert scene.backend.stopped == []
    assert await scene.errands() == []
    assert await scene.looks() == (state is Stage.VERIFYING)


async def test_production_that_is_gone_is_started_again(scene: Scene) -> None:
    await scene.sweeper.near()
    await scene.keep(*production(Stage.VERIFIED))

    await scene.sweeper.near()

    assert await scene.errands() == [("slipway.revive", "revive:r1")]


async def test_a_death_under_watch_is_the_watchs_business_unless_we_have_just_started(scene: Scene) -> None:
    await scene.sweeper.near()
    await scene.keep(*production(Stage.VERIFYING))
    await scene.sweeper.near()
    assert await scene.errands() == []

    scene.sweeper._starting = True
    await scene.sweeper.near()
    assert await scene.errands() == [("slipway.revive", "revive:r1")]


async def test_a_backend_that_does_not_answer_says_nothing_about_its_instances(scene: Scene) -> None:
    await scene.keep(*live())
    scene.backend.down = True

    await scene.sweeper.near()

    def state(session: Session) -> tuple[State, bool]:
        row = session.get_one(Deployment, "d1")
        return row.state, row.instance is not None

    assert await scene.store.read(state) == (State.LIVE, True)


async def test_an_instance_that_is_gone_waits_for_the_next_visitor(scene: Scene) -> None:
    await scene.keep(*live())

    await scene.sweeper.near()

    def state(session: Session) -> tuple[State, bool]:
        row = session.get_one(Deployment, "d1")
        return row.state, row.instance is not None

    assert await scene.store.read(state) == (State.ASLEEP, False)


async def test_an_open_pull_request_without_a_preview_is_looked_at(scene: Scene) -> None:
    scene.github.pulls = [listed(8)]

    await scene.sweeper.far()

    assert await scene.errands() == [("slipway.look", "1#8")]


async def test_a_head_that_was_missed_is_looked_at_once(scene: Scene) -> None:
    await scene.keep(*live())
    scene.github.pulls = [listed(sha="b" * 40)]

    await scene.sweeper.far()
    await scene.sweeper.far()

    assert await scene.errands() == [("slipway.look", "1#7")]


async def test_what_is_in_order_is_not_looked_at(scene: Scene) -> None:
    await scene.keep(*live())
    scene.github.pulls = [listed()]

    await scene.sweeper.far()

    assert await scene.errands() == []


async def test_a_pull_request_nobody_touched_for_days_gets_no_preview_unasked(scene: Scene) -> None:
    scene.github.pulls = [listed(8, updated="2026-01-01T00:00:00Z")]

    await scene.sweeper.far()

    assert await scene.errands() == []


async def test_one_that_is_not_listed_is_looked_at_and_not_removed(scene: Scene) -> None:
    await scene.keep(*live())

    await scene.sweeper.far()

    assert await scene.errands() == [("slipway.look", "1#7")]
    assert scene.backend.stopped == []


@pytest.mark.parametrize("error", [GitHubDown("502"), GitHubRefused("no", 403)])
async def test_an_error_of_github_removes_nothing(scene: Scene, error: Exception) -> None:
    await scene.keep(*live())
    scene.github.error = error

    await scene.sweeper.far()

    assert await scene.errands() == []


async def test_a_delivery_that_failed_is_asked_for_again_unless_we_know_it(scene: Scene) -> None:
    await scene.keep(Delivery(guid="known", event="push", key="push", received_at=NOW))
    scene.github.failed = [{"id": 1, "guid": "known"}, {"id": 2, "guid": "lost"}]

    await scene.sweeper.far()

    assert scene.github.redelivered == [2]


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


async def test_trees_that_a_crash_has_left_go_and_those_of_a_scan_stay(scene: Scene) -> None:
    trees = scene.scans / "trees"
    for name, age in (("left", 3700.0), ("scanned", 3500.0)):
        (trees / name / "app").mkdir(parents=True)
        (trees / name / "app" / "main.py").write_text("pass\n")
        aged(trees / name, age)

    await scene.sweeper.far()

    assert [path.name for path in trees.iterdir()] == ["scanned"]
    assert (trees / "scanned" / "app" / "main.py").exists()


async def test_results_nobody_asked_for_in_a_month_are_forgotten_even_while_github_is_down(scene: Scene) -> None:
    scene.github.error = GitHubDown("502")
    results = Results(scene.scans / "results")
    results.put("tools", "app.py", "old", [])
    (old,) = scene.scans.glob("results/*/*")
    aged(old, 31 * 86400.0)
    results.put("tools", "app.py", "new", [])

    await scene.sweeper.far()

    assert results.get("tools", "app.py", "old") is None
    assert results.get("tools", "app.py", "new") == []
