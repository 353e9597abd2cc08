"""What is asked of a release, and what became of it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from bot.models import Project
from bot.policy import Objection


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, by GitHub's numeric id: a login changes hands."""

    id: int
    login: str
    kind: Literal["person", "bot"]
    how: Literal["comment", "check", "api", "cli", "clock"]
    via_app: int | None = None
    agent: bool = False  # the policy declares it, by its number


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One command on an environment.  Times are Unix seconds."""

    project: Project
    number: int | None  # of the pull request it was written on
    environment: str
    target: str | None  # a commit or the id of a deployment or release; None: what the verb means by itself
    reason: str | None
    actor: Actor
    guid: str  # of the delivery: asked twice, done once
    received_at: float
    comment_id: int | None = None
    comment_hash: str | None = None
    accept_schema: bool = False
    confirm: bool = False  # the second of two commands


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.  A refusal is an outcome, never an exception."""

    done: bool
    words: str
    reason_code: str | None = None
    objections: tuple[Objection, ...] = ()
    next: str | None = None  # the exact command that helps
    release: str | None = None
    url: str | None = None
    seconds: float | None = None


def refused(reason_code: str, words: str, after: str | None = None, objections: tuple[Objection, ...] = ()) -> Outcome:
    """No, why, and what to write instead."""
    return Outcome(done=False, words=words, reason_code=reason_code, objections=objections, next=after)
