"""Leases, switches, holds and retention, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session

from bot.audit import Entry
from bot.models import Build, Deployment, PullRequest, Release, Stage, State
from bot.store import artifacts, deployments, engine, environments, releases, retention
from bot.store.environments import Hold, Lease

HOST = "main--shop--acme.localhost"


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database, expire_on_commit=False) as one:
        yield one
    database.dispose()


def release(session: Session, name: str, **fields: Any) -> Release:
    words = {"id": name, "delivery": f"d-{name}", "project_id": 1, "environment": "production", "deployment": "x"}
    row = Release(**{**words, "sha": name * 40, "artifact": f"sha256:{name}", "started_at": 1.0, **fields})
    return releases.begin(session, row)


def take(session: Session, claim: str, now: float = 10.0, **more: Any) -> Lease:
    lease = environments.take(session, 1, "production", claim, now, 60, **more)
    assert lease is not None
    return lease


def change(lease: Lease, **more: Any) -> releases.Switch:
    return releases.Switch(lease, {HOST: {"kind": "page"}}, None, Entry("release.live", 1.0), **more)


def switched(session: Session, name: str, now: float = 10.0, **fields: Any) -> Release:
    """A release that serves."""
    row = release(session, name, **fields)
    done = releases.switch(session, row.id, change(take(session, name, now, force=True)), now)
    assert isinstance(done, Release), done
    return done


def rolled_back(session: Session, name: str, of: str, left: Stage = Stage.ROLLED_BACK) -> Release:
    former = session.get_one(Release, of)
    row = release(session, name, kind="rollback", of=of, artifact=former.artifact, sha=former.sha)
    hold = Hold("bad", "mia")
    lease = take(session, name, force=True)
    done = releases.switch(session, row.id, change(lease, former=left, hold=hold), 10.0)
    assert isinstance(done, Release), done
    return done


def test_first_cleanup_does_not_free_the_second_lease(session: Session) -> None:
    """P25: a lease belongs to a run, not to a person."""
    first = take(session, "a", now=10)
    assert environments.take(session, 1, "production", "b", 20, 60) is None
    second = take(session, "b", now=71)  # the first was killed

    assert not environments.give_back(session, first)
    assert environments.take(session, 1, "production", "c", 80, 60) is None
    assert environments.give_back(session, second)
    assert take(session, "c", now=80).fence == 3


def test_the_same_delivery_takes_its_lease_again_and_the_old_fence_is_refused(session: Session) -> None:
    row = release(session, "a")
    old, new = take(session, "a"), take(session, "a")

    assert releases.switch(session, row.id, change(old), 10.0) == "overtaken"
    assert isinstance(releases.switch(session, row.id, change(new), 10.0), Release)


def test_slow_release_never_overtakes_a_faster_one(session: Session) -> None:
    """P27: slow A, fast B: B stays."""
    slow, fast = release(session, "a"), release(session, "b")
    stale = take(session, "a", now=10)
    fresh = take(session, "b", now=100)
    assert isinstance(releases.switch(session, fast.id, change(fresh), 100), Release)

    assert releases.switch(session, slow.id, change(stale), 101) == "overtaken"
    env, current = environments.look(session, 1, "production")
    assert (env.generation, current and current.id) == (1, "b")


def test_a_release_is_switched_to_once(session: Session) -> None:
    row = switched(session, "a")

    assert releases.switch(session, row.id, change(take(session, "a")), 11.0) == "overtaken"
    assert environments.look(session, 1, "production")[0].generation == 1


def test_a_refused_switch_writes_nothing(session: Session) -> None:
    switched(session, "a")
    row = release(session, "b")
    lease = take(session, "b")
    take(session, "c", force=True)

    assert releases.switch(session, row.id, change(lease), 11.0) == "overtaken"
    env, current = environments.look(session, 1, "production")
    assert (env.generation, current and current.id, current and current.state) == (1, "a", Stage.VERIFYING)


def test_the_hold_of_a_rollback_bars_what_was_rolled_back_and_no_more(session: Session) -> None:
    """P31: only the fix, or /unhold, lifts it."""
    switched(session, "a")
    switched(session, "b")
    rolled_back(session, "r", "a")
    again = release(session, "b2", artifact="sha256:b")

    assert releases.switch(session, again.id, change(take(session, "b2")), 12.0) == "held"
    switched(session, "c")
    assert environments.look(session, 1, "production")[0].hold is None


def test_the_hold_of_a_person_bars_everything_and_outlasts_a_rollback(session: Session) -> None:
    switched(session, "a")
    switched(session, "b")
    env = environments.environment(session, 1, "production")
    env.hold, env.hold_by = "inventory", "ann"
    session.add(env)

    rolled_back(session, "r", "a")
    row = release(session, "c")

    assert releases.switch(session, row.id, change(take(session, "c")), 12.0) == "held"
    assert env.hold == "inventory"


@pytest.mark.parametrize(
    ("fields", "no"),
    [({"freeze_until": 99.0}, "frozen"), ({"lock_by": 7, "lock_until": 99.0}, "locked")],
)
def test_what_was_barred_while_it_started_does_not_switch(session: Session, fields: dict[str, Any], no: str) -> None:
    row, lease = release(session, "a", actor_id=8), take(session, "a")
    env = environments.environment(session, 1, "production")
    for field, value in fields.items():
        setattr(env, field, value)
    session.add(env)

    assert releases.switch(session, row.id, change(lease), 50.0) == no
    assert isinstance(releases.switch(session, row.id, change(lease), 100.0), Release)


def test_a_rollback_ignores_freeze_and_hold(session: Session) -> None:
    """P30: what stops a promotion must not stop the way back."""
    switched(session, "a")
    switched(session, "b")
    env = environments.environment(session, 1, "production")
    env.freeze_until, env.hold = 99.0, "held"
    session.add(env)

    assert rolled_back(session, "r", "a").generation == 3


def test_a_rollback_takes_the_warm_instance_over(session: Session) -> None:
    a = switched(session, "a")
    a.instance = {"id": "i1"}
    session.add(a)
    switched(session, "b")

    row = release(session, "r", kind="rollback", of="a", artifact=a.artifact)

    assert row.instance == {"id": "i1"}
    assert session.get_one(Release, "a").instance is None


def test_revoked_release_is_never_returned_to(session: Session) -> None:
    """P30: nor is one that failed, or that somebody went back from."""
    for name in "abcd":
        switched(session, name)
    for name, state in (("a", Stage.REVOKED), ("b", Stage.FAILED), ("c", Stage.ROLLED_BACK)):
        row = session.get_one(Release, name)
        row.state = state
        session.add(row)

    assert releases.former(session, 1, "production") is None


def test_the_way_back_leads_past_what_was_rolled_back(session: Session) -> None:
    for name in "abc":
        switched(session, name)
    rolled_back(session, "r", "b")

    former = releases.former(session, 1, "production")
    assert former is not None
    assert former.id == "a"


def test_the_watch_returns_to_what_was_verified_first(session: Session) -> None:
    for name in "abc":
        switched(session, name)
    row = session.get_one(Release, "a")
    row.state = Stage.VERIFIED
    session.add(row)

    by_watch = releases.former(session, 1, "production", verified_first=True)
    by_hand = releases.former(session, 1, "production")
    assert (by_watch and by_watch.id, by_hand and by_hand.id) == ("a", "b")


def test_only_the_way_back_stays_warm(session: Session) -> None:
    for name in "abc":
        row = switched(session, name)
        row.instance = {"id": f"i-{name}"}
        session.add(row)

    assert releases.idle(session, 1, "production") == [("a", {"id": "i-a"})]
    current = session.get_one(Release, "c")
    current.state = Stage.VERIFIED
    session.add(current)
    assert releases.idle(session, 1, "production") == [("b", {"id": "i-b"})]


def test_prune_keeps_productions_last_good_releases(session: Session) -> None:
    """P32: fifty previews come and go; what production may return to stays."""
    names = [chr(ord("a") + i) for i in range(9)]
    for name in names:
        good = switched(session, name)
        good.state = Stage.VERIFIED
        session.add(good)
    gone = []
    for i in range(50):
        digest = f"sha256:{names[i]}" if i < 9 else f"sha256:p{i}"
        row = Deployment(
            delivery=f"p{i}", project_id=1, number=i, sha=f"{i:040}", tree=str(i), state=State.REMOVED,
            artifact=digest, received_at=1.0,
        )  # fmt: skip
        session.add(row)
        session.add(Build(key=f"k{i}", artifact=digest, record={}, project_id=1))
        gone.append(row)
    session.flush()

    free = {build.artifact for build in deployments.unshared(session, gone)}
    unused = {build.artifact for build in artifacts.unused(session, 1)}

    kept = {f"sha256:{name}" for name in names[-6:]}  # what serves, and five before it
    assert retention.kept(session) == kept
    assert not kept & free
    assert not kept & unused
    assert len(free) == len(unused) == 44
    assert deployments.uses_commit(session, 1, f"{8:040}")
    assert not deployments.uses_commit(session, 1, f"{0:040}")


def test_what_merged_pull_requests_showed_is_kept(session: Session) -> None:
    for i in range(7):
        row = Deployment(
            delivery=f"m{i}", project_id=1, number=i, sha=f"{i:040}", state=State.REMOVED, artifact=f"sha256:m{i}",
            received_at=1.0,
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add(PullRequest(project_id=1, number=i, state="merged", displayed=row.id, closed_at=float(i)))
    session.flush()

    assert retention.kept(session) == {f"sha256:m{i}" for i in range(2, 7)}


def shown(session: Session, name: str, at: float) -> Deployment:
    row = Deployment(
        id=name, delivery=f"s-{name}", project_id=1, number=5, sha=name * 40, state=State.LIVE, received_at=at
    )
    session.add(row)
    releases.note_display(session, row, at)
    session.flush()
    return row


def at(session: Session, moment: float, target: str | None = None) -> str | None:
    found = releases.displayed(session, 1, 5, moment, target)
    return found.id if found else None


def test_the_same_moment_counts_as_after(session: Session) -> None:
    """P2: a tie is never in favour of what is newer."""
    shown(session, "a", 10.0)
    shown(session, "b", 20.0)

    assert [at(session, moment) for moment in (10.5, 20.0, 20.001)] == ["a", "a", "b"]


def test_a_comment_on_its_way_counts_when_nothing_else_was_shown_or_it_is_named(session: Session) -> None:
    shown(session, "a", 10.0)
    shown(session, "b", 20.0)

    assert at(session, 9.8) == "a"
    assert at(session, 8.0) is None
    assert at(session, 19.8) == "a"
    assert at(session, 19.8, "b" * 7) == "b"
    assert at(session, 15.0, "b" * 7) == "a"


def test_a_display_is_written_once(session: Session) -> None:
    row = shown(session, "a", 10.0)
    releases.note_display(session, row, 11.0)

    assert at(session, 10.5) == "a"
    assert len(session.exec(releases._displays(1, 5)).all()) == 1
