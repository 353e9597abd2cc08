"""What a release is started with."""

from __future__ import annotations

import dataclasses

from bot.releases.ground import alone
from runners.base import Artifact, Backing, Plan

WANTS = Plan(
    "python", "server", start="serve", prepare="migrate", backing=(Backing("postgresql", "db", {"A": "{url}"}),)
)


def test_a_release_gets_no_database_that_would_go_with_it() -> None:
    part = Artifact("sha256:1", "directory", WANTS.as_json(), "scope")
    whole = Artifact("sha256:2", "several", WANTS.as_json(), "scope", parts=(part,))

    kept = alone(whole)

    assert kept.the_plan() == dataclasses.replace(WANTS, backing=(), prepare=None)
    assert kept.parts[0].the_plan() == kept.the_plan()
    assert kept.digest == whole.digest
