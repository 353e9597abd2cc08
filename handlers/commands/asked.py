"""What every command is given and what it gives back."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlmodel import Session

from bot.audit import Entry, Ruling
from bot.errands import Errand
from bot.errors import SlipwayError
from bot.github import Repository
from bot.github.shapes import pull_of
from bot.models import Leave, Project, PullRequest
from bot.permissions import role_of
from bot.policy import Objection, Role, Unknown
from bot.releases.ask import Actor, Ask, Outcome
from bot.releases.ground import PRODUCTION
from bot.service import Service
from bot.slash import Command
from bot.store import leaves

_SPAN = re.compile(r"([0-9]{1,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclasses.dataclass(frozen=True, slots=True)
class Right:
    """Who may.  `author`: also who opened the pull request, unless it comes from a fork."""

    least: Role
    author: bool = False
    people: bool = False  # not through an app: a machine that acts for a person is not the person

    @property
    def words(self) -> str:
        return f"{self.least.word}{', or the author' if self.author else ''}"


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A command that was taken on: who asks what, on which pull request."""

    command: Command
    said: str  # the command as we understood it
    ident: str  # of the comment or the button's delivery: asked twice, done once
    project: Project
    pull: PullRequest
    actor: Actor
    received_at: float
    table: Mapping[str, Spoken]  # all commands
    service: Service
    repository: Repository
    comment_id: int | None = None
    comment_hash: str | None = None

    def words(self, least: int, most: int, usage: str) -> tuple[str, ...]:
        """The arguments.  Raises Misused when there are too few or too many."""
        if not least <= len(self.command.args) <= most:
            raise Misused(f"It is written {usage}.", usage)
        return self.command.args

    def environment(self, usage: str) -> str:
        """The environment that the command names first: nothing reaches production without its name (P29)."""
        name = self.command.args[0] if self.command.args else ""
        if not name:
            raise Misused("Name the environment: nothing is done to production unless it is named.", usage)
        return environment(name, usage)

    def flag(self, name: str) -> str | None:
        """What a flag says; None without it or when it says nothing."""
        return self.command.flags.get(name) or None

    def ask(self, name: str, target: str | None = None) -> Ask:
        """The same question, to the releases.  The guid is the comment's: a delivery sent twice asks once."""
        return Ask(
            project=self.project,
            number=self.pull.number,
            environment=name,
            target=target,
            reason=self.flag("reason"),
            actor=self.actor,
            guid=f"command:{self.ident}",
            received_at=self.received_at,
            comment_id=self.comment_id,
            comment_hash=self.comment_hash,
            accept_schema="accept-schema" in self.command.flags,
            confirm="confirm" in self.command.flags,
        )

    def entry(self, what: str, at: float, **more: Any) -> Entry:
        """A line of the books about this command."""
        return Entry(
            what,
            at,
            project_id=self.project.id,
            number=self.pull.number,
            actor=self.actor,
            delivery=f"command:{self.ident}",
            comment_id=self.comment_id,
            comment_hash=self.comment_hash,
            shas={"head": self.pull.head_sha},
            **more,
        )

    async def role(self) -> Role:
        """What the person may do here now; nothing when GitHub does not say."""
        found = await role_of(self.repository, self.actor.login, self.actor.id)
        return Role.NONE if isinstance(found, Unknown) else found

    async def looked_at(self, named: str | None, again: str) -> str | Answer:
        """The commit that somebody's word is for: the one they named, else what my comment showed when they wrote it.

        A push may come between their look and their word (P1).  `again`: the command without its commit.  Raises
        GitHubRefused."""
        pull = pull_of(await self.repository.pull(self.pull.number), self.project.id)
        head = pull.head_sha
        if named is not None and _COMMIT.fullmatch(named) and head.startswith(named.lower()):
            return head
        shown = await self.service.releases.shown(self.ask(PRODUCTION))
        if named is None and shown is not None and (shown.sha == head or pull.state == "merged"):
            return shown.sha
        if named is None and shown is None:
            words, code = "My comment showed no preview when you wrote this: name the commit.", "not_displayed"
        else:
            before = named[:7] if named else shown.sha[:7] if shown else ""
            words, code = f"The head is {head[:7]} by now, not {before}. Look at it first.", "head_moved"
        return refused(code, words, f"{again} {head[:7]}")

    def leave(self, kind: str, what: str, sha: str, words: str, seconds: float | None = None) -> Answer:
        """A person's word for one commit, with its line in the books.  `seconds`: how long it holds."""
        now = self.service.clock()
        given = Leave(
            project_id=self.project.id,
            number=self.pull.number,
            kind=kind,
            what=what,
            sha=sha,
            by_id=self.actor.id,
            by_login=self.actor.login,
            reason=self.flag("reason"),
            at=now,
            until=now + seconds if seconds is not None else None,
        )
        entry = self.entry(
            f"leave.{kind}",
            now,
            after={"what": what, "commit": sha, "until": int(given.until) if given.until else None},
        )
        return Answer(True, words=words, apply=lambda session: leaves.give(session, given, entry, now))

    @property
    def asked(self) -> dict[str, Any]:
        """What an errand carries, so that who ends the work can answer."""
        person = self.actor.kind == "person"
        return {"comment": self.comment_id, "ident": self.ident, "by": self.actor.login, "person": person}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command.  `apply` and `errands` are written together with its end, in one transaction."""

    done: bool | None  # None: it goes on, and who ends the work reacts
    body: str | None = None  # Markdown, for a question that the sticky comment can't answer
    words: str = ""
    reason_code: str | None = None
    objections: tuple[Objection, ...] = ()
    next: str | None = None
    apply: Callable[[Session], None] | None = None
    errands: tuple[Errand, ...] = ()

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        return tuple(Ruling(o.rule, False, o.reason_code, o.actual, o.required) for o in self.objections)


class Spoken(Protocol):
    """A command's module.  Its docstring is its help."""

    RIGHT: Right
    __doc__: str | None

    async def run(self, asked: Asked) -> Answer: ...


class Misused(SlipwayError):
    """The command lacks something, or has too much."""

    def __init__(self, words: str, usage: str) -> None:
        super().__init__(words)
        self.usage = usage


def refused(reason_code: str, words: str, after: str | None = None) -> Answer:
    return Answer(False, words=words, reason_code=reason_code, next=after)


def of(outcome: Outcome) -> Answer:
    """What the releases said."""
    code = None if outcome.done else outcome.reason_code or "refused"
    return Answer(outcome.done, None, outcome.words, code, outcome.objections, outcome.next)


def environment(name: str, usage: str) -> str:
    """A name that can be an environment's.  Raises Misused."""
    if not _ENVIRONMENT.fullmatch(name) or name == "preview":
        raise Misused(f"{name} is no environment to release to.", usage)
    return name


def span(text: str, usage: str) -> float:
    """Seconds of `90s`, `15m`, `24h`, `7d`.  Raises Misused."""
    found = _SPAN.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise Misused(f"{text} is no span of time: write 90s, 15m, 24h or 7d.", usage)
    return float(int(found[1]) * _SECONDS[found[2]])
