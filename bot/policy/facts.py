"""What a verdict is made of.  Whatever nobody found out is `Unknown`, and what is unknown denies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

from bot.policy.terms import Effective, Terms


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be found out, and why, in words for the person who is refused."""

    why: str


NOT_ASKED = Unknown("it was not asked")
PolicyChange = Literal["tighter", "looser", "other", "invalid"]
Preview = Literal["live", "working", "failed", "refused", "gone"]  # of the head


class Role(IntEnum):
    """GitHub's roles in a repository; a higher one may do all that a lower one may."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """What one account last decided on the pull request, and what it may do in the repository now."""

    reviewer_id: int
    login: str
    person: bool  # a user account, and the review was not written through an app
    state: str  # APPROVED, CHANGES_REQUESTED, DISMISSED
    commit: str | None  # that was looked at
    role: Role | Unknown
    teams: frozenset[str] | Unknown = frozenset()  # "team:org/slug" of those that the policy names
    how: Literal["review", "comment"] = "review"  # a comment: /approve


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """What a change touches.  `paths` may be cut: then `whole` is false and what is not listed may be anything."""

    files: int
    lines: int
    paths: tuple[str, ...]
    whole: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """The latest run of one check at the head commit.  A name says nothing without the app that reports it."""

    name: str
    app_id: int | None
    own: bool  # reported by this Slipway
    status: str  # queued, in_progress, completed, ...
    conclusion: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Scanned:
    """New findings at the commit that nothing excuses, by weight.  A secret counts by its weight, too.

    `late`: advisories against what it depends on that became known after the scan, and that nothing excuses; Unknown:
    they could not be asked for.  `late_found` has their weights."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    secrets: int = 0
    malware: int = 0
    at: float = 0.0  # when it was scanned, Unix seconds
    late: tuple[str, ...] | Unknown = ()
    late_found: Mapping[str, int] = dataclasses.field(default_factory=lambda: MappingProxyType({}))


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """A freeze, a lock or a hold that stands now.  `until` in Unix seconds; None: until somebody lifts it."""

    reason: str
    by: int
    login: str = ""
    until: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stops:
    """What stands in the environment's way.  Expired ones, and a hold that this very target lifts, are left out."""

    frozen: Stop | None = None
    locked: Stop | None = None
    held: Stop | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """One question: may this account do this in this environment, now?

    Numbers are GitHub's ids, commits are full shas.  A fact that was not gathered stays unknown and denies wherever a
    rule needs it, so a caller gathers no more than its rules look at.
    """

    environment: str
    actor_id: int
    actor_login: str
    actor_person: bool  # a user account that did not write through an app
    actor_role: Role | Unknown = NOT_ASKED
    author_id: int | Unknown = NOT_ASKED
    state: Literal["open", "closed", "merged"] | Unknown = NOT_ASKED
    draft: bool | Unknown = NOT_ASKED
    fork: bool | Unknown = NOT_ASKED
    head_sha: str | Unknown = NOT_ASKED  # at GitHub, now
    displayed_sha: str | Unknown | None = NOT_ASKED  # what was shown as live at the time; None: nothing was
    merge_sha: str | None = None
    merged_same: bool | Unknown | None = NOT_ASKED  # the merge's tree is the displayed one; None: it is not merged
    reviews: tuple[Review, ...] | Unknown = NOT_ASKED
    hands: frozenset[int] | Unknown = NOT_ASKED  # who wrote or committed any of it
    nameless: bool | Unknown = NOT_ASKED  # one of its commits has an author whom GitHub links to no account
    checks: tuple[Check, ...] | Unknown = NOT_ASKED
    stops: Stops | Unknown = NOT_ASKED
    policy: Effective = dataclasses.field(default_factory=Effective, compare=False)
    policy_fault: Unknown | None = None  # why it can't be read now
    policy_change: PolicyChange | Unknown | None = None  # what the change does to the policy
    actor_teams: frozenset[str] | Unknown = frozenset()  # "team:org/slug" of those that the policy names
    requesters: frozenset[int] = frozenset()  # who asked a machine for the change
    pusher_id: int | None = None  # who pushed last
    agent: str | None = None  # who wrote the change, when that is a machine
    now: float = 0.0  # Unix seconds
    preview: Preview | Unknown = NOT_ASKED
    live_since: float | Unknown | None = NOT_ASKED  # since when people could look at it
    verified_in: frozenset[str] | Unknown = frozenset()  # environments where this very artifact is verified
    changed: Changed | Unknown = NOT_ASKED
    scan: Scanned | Unknown | None = None  # None: this server does not scan
    acks: frozenset[str] = frozenset()  # what a person has acknowledged at this head
    lifted: frozenset[str] = frozenset()  # rules that somebody with the right has lifted for this head
    extra: Mapping[str, bool | Unknown] = dataclasses.field(
        default_factory=lambda: MappingProxyType({})
    )  # webhook: said
    confirmed: bool = False
    actor_agent: bool = False  # a machine that the policy declares, by its number
    verb: Literal["promote", "rollback"] = "promote"

    @property
    def machine_may(self) -> bool:
        """Whether the policy gives this verb, here, to the machine that asks."""
        may = self.policy.agents.may
        return self.actor_agent and self.environment in (may.rollback if self.verb == "rollback" else may.promote)

    @property
    def terms(self) -> Terms:
        """What the policy says of this environment."""
        return self.policy.terms(self.environment)
