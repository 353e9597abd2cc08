"""What the comment says of production."""

from __future__ import annotations

from typing import Any

import pytest

from bot.messages import inline
from bot.messages.production import Production, block, remote, twin
from bot.models import Environment, Release, Stage


def release(name: str = "a", state: Stage = Stage.VERIFYING, **more: Any) -> Release:
    words = {"number": 5, "actor_login": "mia", "live_at": 1_800_000_000.0, **more}
    return Release(
        id=name, delivery=name, project_id=1, environment="production", deployment="d", sha=name * 40,
        artifact="sha256:x", state=state, started_at=1.0, **words,
    )  # fmt: skip


def seen(mine: Release, current: Release | None = None, **env: Any) -> Production:
    environment = Environment(project_id=1, name="production", generation=2, **env)
    return Production(5, environment, current or mine, mine, "http://main--shop--acme.localhost")


@pytest.mark.parametrize(
    ("state", "serves", "told"),
    [
        (Stage.RELEASING, False, "in_progress"),
        (Stage.VERIFYING, True, "success"),
        (Stage.INCONCLUSIVE, True, "success"),
        (Stage.VERIFIED, False, "inactive"),
        (Stage.ROLLED_BACK, False, "inactive"),
        (Stage.FAILED, False, "failure"),
        (Stage.FAILED, True, "failure"),
    ],
)
def test_githubs_deployment(state: Stage, serves: bool, told: str) -> None:
    found, words = remote(release(state=state), serves)
    assert found == told
    assert len(words) <= 140


def test_a_failure_shows_its_evidence_and_can_call_nobody() -> None:
    failure = {
        "reason_code": "rolled_back",
        "message": "it failed, @everyone",
        "samples": [[1_800_000_005.0, "/ does not answer well | <b>"]],
        "log": "```\n/promote production\n```",
    }
    mine = release(state=Stage.FAILED, failure=failure)
    said = block(
        seen(mine, release("b"), hold="it failed", hold_by="slipway", hold_at=1_800_000_006.0, hold_release="a")
    )

    assert "2027-01-15 08:00:05 UTC" in said
    assert "@everyone" not in said
    assert "````text" in said
    assert "Promote the fix, or `/unhold production`" in said
    assert not any(line.startswith("/") for line in said.split("````text")[0].splitlines())
    assert twin(seen(mine, release("b")))["reason_code"] == "rolled_back"


def test_what_fails_without_a_way_back_calls_the_one_who_released_it() -> None:
    current = release(state=Stage.FAILED, kind="rollback", failure={"message": "it failed", "paged": True})
    assert "@mia production needs a person now" in block(seen(release("b", Stage.ROLLED_BACK), current))

    current.actor_login = "mia @everyone"
    assert "@mia" not in block(seen(release("b", Stage.ROLLED_BACK), current)).split("🚨")[1].split("`")[0]


def test_a_failure_that_visitors_met_shows_what_was_counted() -> None:
    words = "12 of 40 requests failed (30 %), 0.4 % before"
    failure = {
        "reason_code": "rolled_back",
        "message": f"aaaaaaa failed 3 looks in a row: {words}.",
        "samples": [
            [1_800_000_005.0, "ok", {}],
            [1_800_000_010.0, words, {"requests": 40, "failures": 12, "p95_ms": 300}],
        ],
        "figures": {"requests": 40, "failures": 12, "before": {"requests": 250, "failures": 1, "p95_ms": 200}},
    }

    said = block(seen(release(state=Stage.FAILED, failure=failure), release("b")))

    assert f"failed 3 looks in a row: {inline(words)}." in said
    assert "| 2027-01-15 08:00:05 UTC | ok |  |" in said
    assert f"| 2027-01-15 08:00:10 UTC | {inline(words)} | 12 of 40 requests failed, p95 300 ms |" in said
    assert "What served before: 1 of 250 requests failed, p95 200 ms." in said


def test_what_the_migrations_of_what_serves_destroy_is_told() -> None:
    lost = ["1: drops the table x", "2: renames @all", "3: y", "4: z"]
    said = block(seen(release(watch={"destroys": lost})))

    assert "It carries migrations that destroy: 1: drops the table x" in said
    assert "and 1 more" in said
    assert "@all" not in said
    assert twin(seen(release(watch={"destroys": lost})))["destroys"] == lost
    assert "destroy" not in block(seen(release(watch={"n": 3})))


def test_a_revoked_release_is_marked() -> None:
    failure = {"reason_code": "revoked", "message": "Revoked by mia: leak"}
    mine = release(state=Stage.REVOKED, failure=failure)

    assert f"⛔ `{mine.sha[:7]}` never runs again. Revoked by mia: leak" in block(seen(mine, release("b")))
    assert twin(seen(mine, release("b")))["reason_code"] == "revoked"
