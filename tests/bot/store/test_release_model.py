"""Push, show, promote, crash, fail, roll back, hold, prune in every order: what production serves is always something
that was displayed, allowed and healthy."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from sqlmodel import Session, select

from bot.audit import Entry
from bot.models import Deployment, Display, Release, Route, Stage, State
from bot.store import engine, environments, releases, retention
from bot.store.environments import Hold, Lease
from tests.books import lay

pytestmark = pytest.mark.slow
HOST = "main--shop--acme.localhost"
LEASE = 60.0


@dataclass
class Run:
    """One delivery that releases something, between its lease and its switch."""

    release: str
    lease: Lease
    healthy: bool
    back: bool = False


class Production(RuleBasedStateMachine):
    """The real row functions; what the recipes do between them is drawn."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = lay(Path(self.folder.name) / "slipway.db")
        self.database = engine.writing(url)
        with self.database.connect() as connection:
            connection.connection.execute("PRAGMA synchronous = OFF")
        self.now, self.count, self.generation = 100.0, 0, 0
        self.healthy: set[str] = set()  # artifacts that have answered

    def teardown(self) -> None:
        self.database.dispose()
        self.folder.cleanup()

    def name(self) -> str:
        self.count += 1
        return f"{self.count:07x}"

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(live=st.booleans(), number=st.integers(1, 2))
    def push(self, live: bool, number: int) -> None:
        """A new head; its preview fails, or becomes live and is shown."""
        name = self.name()
        with Session(self.database) as session, session.begin():
            state = State.LIVE if live else State.FAILED
            row = Deployment(
                id=name, delivery=name, project_id=1, number=number, sha=name * 5, state=state,
                artifact=f"sha256:{name}", received_at=self.now,
            )  # fmt: skip
            session.add(row)
            if live:
                releases.note_display(session, row, self.now)

    @rule(target=runs, number=st.integers(1, 2), ago=st.sampled_from([0.0, 1.0, 31.0]), healthy=st.booleans())
    def promote(self, number: int, ago: float, healthy: bool) -> Run | None:
        """As far as its switch, of what was shown when the command was received."""
        guid, received = self.name(), self.now - ago
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            shown = releases.displayed(session, 1, number, received)
            if shown is None:
                return None
            before = [one.sha for one in session.exec(select(Display)) if one.at < received and one.number == number]
            assert not before or shown.sha == before[-1]
            lease = environments.take(session, 1, "production", guid, self.now, LEASE)
            if lease is None:
                return None
            row = Release(
                delivery=guid, project_id=1, environment="production", number=number, deployment=shown.id,
                sha=shown.sha, artifact=shown.artifact or "", started_at=self.now,
            )  # fmt: skip
            return Run(releases.begin(session, row).id, lease, healthy)

    @rule(target=runs, healthy=st.booleans(), by_watch=st.booleans())
    def roll_back(self, healthy: bool, by_watch: bool) -> Run | None:
        guid = self.name()
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            former = releases.former(session, 1, "production", verified_first=by_watch)
            if former is None:
                return None
            lease = environments.take(session, 1, "production", guid, self.now, LEASE, force=True)
            assert lease is not None
            row = Release(
                delivery=guid, project_id=1, environment="production", number=former.number, kind="rollback",
                of=former.id, deployment=former.deployment, sha=former.sha, artifact=former.artifact,
                started_at=self.now,
            )  # fmt: skip
            return Run(releases.begin(session, row).id, lease, healthy, back=True)

    @rule(run=runs)
    def killed_and_tried_again(self, run: Run | None) -> None:
        """The same delivery takes its lease again; what its first life held is void."""
        if run is None:
            return
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            row = session.get_one(Release, run.release)
            again = environments.take(
                session, 1, "production", row.delivery, self.now, LEASE, force=row.kind == "rollback"
            )
            if again is None or row.state is not Stage.RELEASING:
                return
            assert releases.begin(session, row).id == row.id
            stale = releases.Switch(run.lease, {HOST: {}}, None, Entry("release.live", self.now))
            assert releases.switch(session, row.id, stale, self.now) == "overtaken"
            run.lease = again

    @rule(run=runs)
    def ends(self, run: Run | None) -> None:
        """It became healthy and switches, or did not and ends."""
        if run is None:
            return
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            env, _current = environments.look(session, 1, "production")
            row = session.get_one(Release, run.release)
            entry = Entry("release.live", self.now)
            if not run.healthy:
                releases.fail(session, row.id, {"message": "sick"}, entry, self.now)
                return
            self.healthy.add(row.artifact)
            mine = (env.lease_claim, env.lease_fence, env.generation) == (
                *(run.lease.claim, run.lease.fence, run.lease.generation),
            )
            may = mine and row.state is Stage.RELEASING
            held = row.kind == "promote" and environments.held(session, env, row.artifact)
            change = releases.Switch(
                run.lease,
                {HOST: {"kind": "page", "deployment": row.id}},
                {"id": row.id},
                entry,
                former=Stage.ROLLED_BACK if run.back else None,
                hold=Hold("bad", "mia") if run.back else None,
            )
            done = releases.switch(session, row.id, change, self.now)
            assert isinstance(done, Release) == (may and not held)
            if run.back and isinstance(done, Release):
                assert env.hold is not None

    @rule(stage=st.sampled_from([Stage.VERIFIED, Stage.FAILED, Stage.INCONCLUSIVE]))
    def concludes(self, stage: Stage) -> None:
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            _env, current = environments.look(session, 1, "production")
            if current is not None:
                releases.conclude(session, current.id, stage, Entry("release.verified", self.now), self.now)

    @rule()
    def settles(self) -> None:
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            taken = dict(releases.idle(session, 1, "production"))
            _env, current = environments.look(session, 1, "production")
            assert current is None or current.id not in taken

    @rule(held=st.booleans())
    def somebody_holds(self, held: bool) -> None:
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            env = environments.environment(session, 1, "production")
            env.hold, env.hold_release = ("inventory" if held else None), None
            session.add(env)

    @invariant()
    def what_serves_was_displayed_and_healthy(self) -> None:
        with Session(self.database, expire_on_commit=False) as session:
            env, current = environments.look(session, 1, "production")
            assert env.generation >= self.generation
            self.generation = env.generation
            if current is None:
                assert env.generation == 0
                return
            shown = {one.deployment for one in session.exec(select(Display))}
            assert current.deployment in shown
            assert current.artifact in self.healthy
            assert current.artifact in retention.kept(session)
            assert current.generation == env.generation
            assert current.instance is not None
            assert session.get_one(Route, HOST).deployment == current.id

    @invariant()
    def each_generation_is_one_release(self) -> None:
        with Session(self.database, expire_on_commit=False) as session:
            generations = sorted(row.generation for row in session.exec(select(Release)) if row.generation is not None)
            env, _current = environments.look(session, 1, "production")
            assert generations == list(range(1, env.generation + 1))


Production.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestProduction = Production.TestCase
