"""Row functions about commands: each is run once, answered once, and what it asked for is in the books."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session, col, func, select

from bot.audit import Entry
from bot.errands import Errand
from bot.models import Allowance, Delivery, Deployment, Effect, Environment, PullRequest, Release, State
from bot.store import audit, deliveries, deployments
from bot.store.deliveries import Apply
from bot.store.environments import count_up

NOTHING_MADE = 0  # instead of GitHub's id: the command has ended and nothing was written for it


def begin(session: Session, ident: str, now: float) -> bool:
    """Take a command on.  False: it has ended before.  After a crash in the middle it is taken on again."""
    row = session.get(Effect, f"command:{ident}")
    if row is None:
        session.add(Effect(key=f"command:{ident}", asked_at=now))
        return True
    return row.remote_id is None


def known(session: Session, ident: str) -> bool:
    """Whether this comment was ever taken for a command."""
    return session.get(Effect, f"command:{ident}") is not None


def end(
    session: Session, ident: str, entry: Entry | None, apply: Apply | None, errands: Iterable[Errand], now: float
) -> bool:
    """It has ended, however it went: its effect, what follows from it and the books, in one transaction.

    False: it had ended before, nothing was written."""
    row = session.get_one(Effect, f"command:{ident}")
    if row.remote_id is not None:
        return False
    row.remote_id = NOTHING_MADE
    session.add(row)
    if apply is not None:
        apply(session)
    for one in errands:
        deliveries.accept(session, one.guid, one.event, one.payload, one.order, now, source="clock")
    if entry is not None:
        audit.append(session, entry)
    return True


def rewritten(session: Session, ident: str, project_id: int, number: int, how: str, entry: Entry) -> None:
    """A comment that was a command is `how` (edited, deleted): in the books, and told where it had been answered."""
    audit.append(session, entry)
    key = f"{how}:{project_id}#{number}:{ident}"
    answered = session.exec(select(Delivery.id).where(Delivery.guid == f"answer:{ident}")).first()
    if answered is not None and session.get(Effect, key) is None:
        session.add(Effect(key=key, asked_at=entry.at))
        count_up(session, project_id, number)


def rewrites(session: Session, project_id: int, number: int) -> tuple[int, int]:
    """How many commands of a pull request were edited, and how many deleted, after they were answered."""

    def of(how: str) -> int:
        first, after = (f"{how}:{project_id}#{number}{end}" for end in ":;")
        return session.exec(select(func.count()).where(col(Effect.key) >= first, col(Effect.key) < after)).one()

    return of("edited"), of("deleted")


def begin_answer(
    session: Session, lane: str, ident: str, now: float, most: int, span: float
) -> tuple[int | None, bool]:
    """Write down that a comment is to be answered: (GitHub's id of the answer, whether this is the first try).

    Raises TooMany when the pull request (`lane`) has had `most` answers within `span` seconds."""
    key = f"reply:{lane}:{ident}"
    row = session.get(Effect, key)
    if row is not None:
        return row.remote_id, False
    first, after = f"reply:{lane}:", f"reply:{lane};"  # a range, which the key's index knows; ";" follows ":"
    ours = (col(Effect.key) >= first) & (col(Effect.key) < after)
    recent = select(func.count()).where(ours, col(Effect.asked_at) > now - span)
    if session.exec(recent).one() >= most:
        raise TooMany
    session.add(Effect(key=key, asked_at=now))
    return None, True


def count_machine(session: Session, lane: str, ident: str, now: float, most: int, span: float) -> bool:
    """Note a machine's command on a pull request (`lane`).  False: there were `most` within `span` seconds."""
    key, first, after = f"machine:{lane}:{ident}", f"machine:{lane}:", f"machine:{lane};"
    if session.get(Effect, key) is not None:
        return True
    recent = select(func.count()).where(col(Effect.key) >= first, col(Effect.key) < after)
    if session.exec(recent.where(col(Effect.asked_at) > now - span)).one() >= most:
        return False
    session.add(Effect(key=key, asked_at=now))
    return True


class TooMany(Exception):
    """Enough has been answered on this pull request for now."""


def end_answer(session: Session, lane: str, ident: str, remote_id: int) -> None:
    session.get_one(Effect, f"reply:{lane}:{ident}").remote_id = remote_id


def allow(session: Session, allowance: Allowance, entry: Entry) -> None:
    """Let one commit of a fork run; any other stays refused."""
    session.merge(allowance)
    audit.append(session, entry)


def allowed(session: Session, project_id: int, number: int, sha: str) -> bool:
    return session.get(Allowance, (project_id, number, sha)) is not None


def keep(session: Session, project_id: int, number: int, until: float, entry: Entry) -> None:
    """The preview of a pull request does not expire before."""
    pull = session.get_one(PullRequest, (project_id, number))
    pull.keep_until, pull.changes = until, pull.changes + 1
    session.add(pull)
    audit.append(session, entry)


def kept(session: Session, now: float) -> set[tuple[int, int]]:
    """(project, number) of the pull requests whose previews are not to expire yet."""
    rows = session.exec(select(PullRequest).where(col(PullRequest.keep_until) > now))
    return {(row.project_id, row.number) for row in rows}


def cancel(
    session: Session,
    deployment: str,
    words: str,
    now: float,
    *,
    reason_code: str = "cancelled",
    next: str = "Comment /redeploy to build it again, or push.",  # noqa: A002  (the word of refusals)
) -> bool:
    """Stop what is being worked on.  False: it had ended."""
    failure = {"reason_code": reason_code, "step": "cancel", "message": words, "hint": next}
    return deployments.advance(session, deployment, State.CANCELLED, words, now, failure=failure)


def explain(session: Session, deployment: str, reason_code: str, words: str) -> None:
    """Why a deployment goes that did not fail; told with its end."""
    row = session.get_one(Deployment, deployment)
    if row.failure is None and not row.state.ended:
        row.failure = {"reason_code": reason_code, "step": "remove", "message": words, "hint": None}
        session.add(row)


def environments(session: Session, project_id: int) -> list[tuple[Environment, Release | None]]:
    """All environments of a project with the release that serves each."""
    rows = session.exec(select(Environment).where(Environment.project_id == project_id).order_by(col(Environment.name)))
    return [(row, session.get(Release, row.release) if row.release else None) for row in rows]


def deployment_of_check(session: Session, project_id: int, ident: str, sha: str) -> Deployment | None:
    """The deployment that a check run of ours speaks of."""
    row = session.get(Deployment, ident)
    return row if row is not None and (row.project_id, row.sha) == (project_id, sha) else None
