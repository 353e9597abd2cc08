"""The one path of commands, whoever brought them: taken on once, authorised now, run, ended, answered.

A command's end, its effect on our books, the work it asks for and the answer to be given are one transaction: killed
before it, the command is run again and finds what it has done; killed after it, only the answer is left to give.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable

from sqlmodel import Session

from bot import errands
from bot.audit import Entry
from bot.errands import Errand
from bot.errors import GitHubRefused, TryLater
from bot.github import Repository
from bot.github.shapes import pull_of
from bot.messages import commands as words
from bot.models import Project, PullRequest
from bot.permissions import by_email, role_of
from bot.policy import Objection, Role, Unknown
from bot.releases.ask import Actor
from bot.service import Service
from bot.slash import Command, Hint
from bot.store import commands, deployments, pulls
from handlers import machine
from handlers.answer import react
from handlers.commands import COMMANDS
from handlers.commands.asked import Answer, Asked, Misused, Right, refused

QUESTIONS = machine.READING  # they change nothing: the books don't speak of them
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """What somebody said, before anybody knows whether they may."""

    said: Command | Hint
    line: str  # as it was written
    ident: str  # of the comment, or of the button's delivery
    project: Project
    number: int
    actor: Actor
    received_at: float  # when the command counts as given
    comment_id: int | None = None
    comment_hash: str | None = None
    comment_node: str = ""  # its id in GraphQL


def spelled(command: Command) -> str:
    """A command as we understood it, in one line."""
    flags = (f"--{name}={_quoted(value)}" if value else f"--{name}" for name, value in command.flags.items())
    return " ".join([f"/{command.verb}", *map(_quoted, command.args), *flags])


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word or not word else word


def stranger(role: Role | Unknown, private: bool) -> bool:
    """On a public repository everybody may read: that alone makes nobody a collaborator."""
    return isinstance(role, Role) and role < (Role.READ if private else Role.TRIAGE)


async def hear(heard: Heard, service: Service) -> None:
    """Take a command on, unless that was done before, and see it to its end.  Raises TryLater and GitHubDown."""
    if not await service.store.write(commands.begin, heard.ident, service.clock()):
        return
    project = heard.project
    repository = service.github.repository(project.installation_id, project.id, project.full_name)
    role, mailed = await asyncio.gather(_role(repository, heard.actor), _mailed(heard, repository))
    silent = stranger(role, project.private) or not await _few(heard, service)
    pull = None if silent else await _pull(service, repository, project, heard.number)
    if pull is None:
        await service.store.write(commands.end, heard.ident, None, None, (), service.clock())
        return
    seen = asyncio.create_task(_see(repository, heard.comment_id))
    try:
        end = await _ended(heard, service, repository, pull, (role, mailed))
    except asyncio.CancelledError:
        seen.cancel()
        raise
    finally:
        await asyncio.wait({seen})  # before the answer: 👀 comes first
    await service.store.write(commands.end, heard.ident, end.entry, end.apply, end.errands, service.clock())


async def _mailed(heard: Heard, repository: Repository) -> bool | Unknown:
    """Whether what only people may ask came by e-mail."""
    if heard.comment_id is None or isinstance(heard.said, Hint) or not COMMANDS[heard.said.verb].RIGHT.people:
        return False
    return await by_email(repository, heard.comment_node)


async def _role(repository: Repository, actor: Actor) -> Role | Unknown:
    """What GitHub lets somebody do here now.  What an agent may do, the policy says: see `handlers.machine`."""
    return Role.TRIAGE if actor.agent else await role_of(repository, actor.login, actor.id)


async def _few(heard: Heard, service: Service) -> bool:
    """Machines have so many commands an hour on a pull request; after that there is silence."""
    if heard.actor.kind == "person":
        return True
    lane = f"{heard.project.id}#{heard.number}"
    limits = (machine.MOST, machine.SPAN)
    return await service.store.write(commands.count_machine, lane, heard.ident, service.clock(), *limits)


async def _see(repository: Repository, comment: int | None) -> None:
    """👀 beside the work: nobody who waits for a rollback waits for a decoration."""
    if comment is not None:
        with contextlib.suppress(TryLater):
            await react(repository, comment, "eyes")


_Known = tuple[Role | Unknown, bool | Unknown]  # what somebody may, and whether their comment came by e-mail


@dataclasses.dataclass(frozen=True, slots=True)
class _End:
    """What is written when a command has ended, all of it or nothing."""

    entry: Entry | None
    apply: Callable[[Session], None] | None
    errands: tuple[Errand, ...]


async def _ended(heard: Heard, service: Service, repository: Repository, pull: PullRequest, known: _Known) -> _End:
    if isinstance(heard.said, Hint):
        body = words.hint(heard.ident, heard.line, heard.said.words)
        fields = {"comment": heard.comment_id, "body": body, "reaction": "-1"}
        return _End(None, None, (errands.answer(heard.project.id, heard.number, heard.ident, **fields),))
    asked = Asked(
        command=heard.said,
        said=spelled(heard.said),
        ident=heard.ident,
        project=heard.project,
        pull=pull,
        actor=heard.actor,
        received_at=heard.received_at,
        table=COMMANDS,
        service=service,
        repository=repository,
        comment_id=heard.comment_id,
        comment_hash=heard.comment_hash,
    )
    answer = await _run(asked, known)
    _log.info("%s by %s: %s", asked.said, asked.actor.login, answer.reason_code or "done")
    told = () if answer.done is None else (_telling(asked, answer),)
    policy = await _judged_by(asked)
    return _End(_entry(asked, answer, service.clock(), policy), answer.apply, (*answer.errands, *told))


async def _judged_by(asked: Asked) -> str | None:
    """Digest of the policy that a decision was made under."""
    if asked.command.verb not in ("promote", "rollback"):
        return None
    return (await asked.service.policies.held(asked.project)).effective.digest


async def _run(asked: Asked, known: _Known) -> Answer:
    spoken, (role, mailed) = COMMANDS[asked.command.verb], known
    answer = await machine.forbidden(asked) if asked.actor.agent else _forbidden(asked, role, spoken.RIGHT)
    answer = answer or _unproven(asked, mailed)
    if answer is not None:
        return answer
    try:
        return await spoken.run(asked)
    except Misused as error:
        return refused("usage", str(error), error.usage)


async def _pull(service: Service, repository: Repository, project: Project, number: int) -> PullRequest | None:
    standing = await service.store.read(deployments.standing, project.id, number)
    if standing is not None:
        return standing.pull
    try:
        raw = await repository.pull(number)
    except GitHubRefused:
        return None
    now = service.clock()
    _project, pull = await service.store.write(pulls.note_pull, project, pull_of(raw, project.id), now)
    return pull


def _forbidden(asked: Asked, role: Role | Unknown, right: Right) -> Answer | None:
    """Why somebody may not; None: allowed."""
    required, verb = right.words, f"/{asked.command.verb}"
    if isinstance(role, Unknown):
        say = f"GitHub did not say what {asked.actor.login} may do here: {role.why}"
        no = Objection("permission", "permission_unknown", say, "unknown", required, None)
        return Answer(False, None, say, no.reason_code, (no,), "Write the command again in a minute.")
    if right.people and asked.actor.kind != "person":
        say = f"{verb} is for people: this comment was written through an app."
        no = Objection("person", "not_permitted", say, "an app", "a person", None)
        return Answer(False, None, say, no.reason_code, (no,), "Ask a person to write it.")
    own = right.author and asked.actor.id == asked.pull.author_id and not asked.pull.fork
    if role >= right.least or own:
        return None
    say = f"{asked.actor.login} may not use {verb} in this repository."
    no = Objection("permission", "not_permitted", say, role.word, required, None)
    return Answer(False, None, say, no.reason_code, (no,), f"Ask somebody with {right.least.word} permission.")


def _unproven(asked: Asked, mailed: bool | Unknown) -> Answer | None:
    """Why the comment does not show that its author wants it; None: it does."""
    required, verb = "written on GitHub", f"/{asked.command.verb}"
    if isinstance(mailed, Unknown):
        say = f"GitHub did not say whether this was written on GitHub or came by e-mail: {mailed.why}"
        no = Objection("email", "origin_unknown", say, "unknown", required, None)
        return Answer(False, None, say, no.reason_code, (no,), "Write the command again in a minute.")
    if not mailed:
        return None
    say = f"This came by e-mail, and whoever has a notification can answer it: {verb} is not taken from there."
    no = Objection("email", "by_email", say, "an e-mail", required, None)
    return Answer(False, None, say, no.reason_code, (no,), "Write the command on GitHub itself.")


def _telling(asked: Asked, answer: Answer) -> Errand:
    body = None
    if not answer.done:
        code = answer.reason_code or "refused"
        body = words.refusal(asked.ident, asked.said, answer.words, code, answer.objections, answer.next)
    elif answer.body is not None:
        body = words.answer(asked.ident, asked.said, answer.body, answer.objections)
    told = {"comment": asked.comment_id, "body": body, "reaction": "rocket" if answer.done else "-1"}
    return errands.answer(asked.project.id, asked.pull.number, asked.ident, **told)


def _entry(asked: Asked, answer: Answer, now: float, policy: str | None) -> Entry | None:
    if asked.command.verb in QUESTIONS and answer.done:
        return None
    what = {True: "command.done", False: "command.refused", None: "command.accepted"}[answer.done]
    after = {"command": asked.said} | ({"reason": answer.reason_code} if answer.reason_code else {})
    return asked.entry(what, now, verdict=answer.rulings, after=after, policy_digest=policy)
