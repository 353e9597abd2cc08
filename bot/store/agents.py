"""Row functions about agents: who wrote a pull request, which of their previews were let in, who is frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from sqlmodel import Session, col, select

from bot.audit import Entry
from bot.errands import look
from bot.models import AgentFreeze, Deployment, Project, PullRequest, State
from bot.policy.admission import HOUR, Asking, Denied, Occupant, admit
from bot.policy.facts import Stop
from bot.policy.terms import Agents, Effective
from bot.store import audit, deliveries, deployments

OURS = frozenset({"slipway", "fetch"})  # steps that fail by no fault of the change


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """An agent as it is kept.  `account`: whose rules and limits count; None: named for people only."""

    name: str
    why: str
    account: int | None


def note(session: Session, project_id: int, number: int, known: Known | None, via_app: int | None) -> None:
    """Keep who wrote a pull request.  That no sign is found any more takes nothing back: signs can be removed."""
    pull = session.get_one(PullRequest, (project_id, number))
    if via_app is not None:
        pull.via_app = via_app
    if known is not None and known.account is None and pull.agent_id is not None:
        known = None
    if known is not None and (pull.agent, pull.agent_why, pull.agent_id) != (known.name, known.why, known.account):
        pull.agent, pull.agent_why, pull.agent_id = known.name, known.why, known.account
        pull.changes += 1
    session.add(pull)


def let_in(session: Session, deployment: str, effective: Effective, now: float, *, by_person: bool) -> Denied | None:
    """Let a preview of an agent's change in, or end it with the reason: counted, judged and written at one moment.

    `by_person`: a person asked for this one or pushed it, which gives the agent new attempts."""
    row = session.get_one(Deployment, deployment)
    pull = session.get_one(PullRequest, (row.project_id, row.number))
    if pull.agent is None and not pull.author_is_bot:
        return None
    if by_person and (pull.attempts_from or 0.0) < row.received_at:
        pull.attempts_from = row.received_at
        session.add(pull)
    asking = _asking(session, row, pull, now, by_person)
    bound = effective.agents if pull.agent_id is not None else Agents()  # else only a freeze holds
    denied = admit(bound, asking)
    if pull.agent_id is not None:
        row.agent_id, row.limits = pull.agent_id, _limits(effective, asking)
    if denied is None:
        row.admitted_at = row.admitted_at or now
        session.add(row)
        return None
    session.add(row)
    refuse(session, deployment, denied, now)
    return denied


def refuse(session: Session, deployment: str, denied: Denied, now: float) -> None:
    """End a deployment with the reason, and send for the newest head when there is a time to try again."""
    row, no = session.get_one(Deployment, deployment), denied.objection
    told = {
        "reason_code": no.reason_code,
        "step": "admit",
        "rule": no.rule,
        "message": no.words,
        "actual": no.actual,
        "required": no.required,
        "hint": no.next,
        "retry_at": denied.again,
    }
    deployments.advance(session, row.id, State.REFUSED, "not run", now, failure=told, admitted_at=None)
    if denied.again is not None and row.number is not None:
        again = look(row.project_id, row.number, f"again:{row.sha}:{denied.again:.0f}")
        deliveries.send(session, again, now, run_at=denied.again)


def occupants(session: Session, project_id: int, number: int | None) -> list[Occupant]:
    """What runs in a project beside the previews of one pull request, whose newer ones replace the older."""
    query = select(Deployment).where(
        Deployment.project_id == project_id,
        col(Deployment.state).in_((State.LIVE, State.REPLACED)),
        col(Deployment.number) != number,
    )
    return [Occupant(one.id, one.active_at, one.agent_id) for one in session.exec(query) if one.instance is not None]


def _asking(session: Session, row: Deployment, pull: PullRequest, now: float, by_person: bool) -> Asking:
    agent = pull.author_id
    return Asking(
        agent=pull.agent or pull.author,
        login=pull.author,
        now=now,
        frozen=stop(session, row.project_id, (agent,), now),
        admitted=_admitted(session, row, agent, now),
        failures=_failures(session, row, pull),
        by_person=by_person,
        sha=row.sha,
    )


def _admitted(session: Session, row: Deployment, agent: int, now: float) -> tuple[float, ...]:
    """When this agent's other previews were let in, in all projects of the installation."""
    installation = select(Project.installation_id).where(Project.id == row.project_id).scalar_subquery()
    here = select(Project.id).where(Project.installation_id == installation)
    query = select(Deployment.admitted_at).where(
        Deployment.agent_id == agent,
        col(Deployment.admitted_at) > now - HOUR,
        col(Deployment.project_id).in_(here),
        Deployment.id != row.id,
        Deployment.state != State.REFUSED,
    )
    return tuple(at for at in session.exec(query) if at is not None)


def _failures(session: Session, row: Deployment, pull: PullRequest) -> int:
    """Failed builds in a row up to this one, since a person last had a hand in it."""
    query = select(Deployment).where(
        Deployment.project_id == row.project_id,
        Deployment.number == row.number,
        Deployment.id != row.id,
        col(Deployment.received_at) >= (pull.attempts_from or 0.0),
    )
    count = 0
    for one in session.exec(query.order_by(col(Deployment.received_at).desc(), col(Deployment.id))):
        if one.live_at is not None:
            break
        count += one.state is State.FAILED and (one.failure or {}).get("step") not in OURS
    return count


def _limits(effective: Effective, asking: Asking) -> dict[str, Any]:
    """How the agent stood when it asked, for the machine-readable twin: numbers, None where there is no limit."""
    rate, recent = effective.agents.rate, [at for at in asking.admitted if at > asking.now - HOUR]
    most = rate.previews_per_hour
    return {
        "attempt": asking.failures + 1,
        "attempts": rate.attempts_per_pr,
        "previews_in_hour": len(recent) + 1,
        "previews_per_hour": most,
        "previews_left": None if most is None else max(0, most - len(recent) - 1),
    }


# ---- the kill switch


def stop(session: Session, project_id: int, accounts: Collection[int | None], now: float) -> Stop | None:
    """The freeze that holds for one of these accounts now."""
    for account in accounts:
        row = session.get(AgentFreeze, (project_id, account)) if account else None
        if row is not None and (row.until is None or row.until > now):
            return Stop(row.reason, row.by_id, row.by_login, row.until)
    return None


def stop_of(session: Session, project_id: int, number: int, now: float) -> Stop | None:
    """The freeze that holds for the machine that wrote a pull request."""
    pull = session.get_one(PullRequest, (project_id, number))
    machine = pull.agent is not None or pull.author_is_bot
    return stop(session, project_id, (pull.author_id,), now) if machine else None


def frozen(session: Session, project_id: int, now: float) -> list[AgentFreeze]:
    """Who is frozen in a project now."""
    query = select(AgentFreeze).where(AgentFreeze.project_id == project_id).order_by(col(AgentFreeze.at))
    return [row for row in session.exec(query) if row.until is None or row.until > now]


def freeze(session: Session, row: AgentFreeze, entry: Entry) -> None:
    """Freeze an account's machine, with its line in the books; a second freeze takes the place of the first."""
    session.merge(row)
    until = int(row.until) if row.until else None
    after = {"agent": row.agent_id, "login": row.login, "until": until, "reason": row.reason}
    audit.append(session, dataclasses.replace(entry, after=after))


def unfreeze(session: Session, project_id: int, agent_id: int, entry: Entry) -> None:
    row = session.get(AgentFreeze, (project_id, agent_id))
    if row is not None:
        session.delete(row)
        after = {"agent": agent_id, "login": row.login}
        audit.append(session, dataclasses.replace(entry, before={"reason": row.reason}, after=after))


def pulls_of(session: Session, project_id: int, agent_id: int) -> list[tuple[PullRequest, Deployment | None]]:
    """An agent's open pull requests, each with its newest deployment."""
    query = select(PullRequest).where(
        PullRequest.project_id == project_id, PullRequest.author_id == agent_id, PullRequest.state == "open"
    )
    query = query.where(col(PullRequest.agent).is_not(None) | col(PullRequest.author_is_bot))
    return [(one, session.get(Deployment, one.displayed) if one.displayed else None) for one in session.exec(query)]


def awake(session: Session, project_id: int, number: int) -> list[Deployment]:
    """What runs of a pull request."""
    query = select(Deployment).where(
        Deployment.project_id == project_id,
        Deployment.number == number,
        col(Deployment.state).in_((State.LIVE, State.REPLACED)),
    )
    return [one for one in session.exec(query) if one.instance is not None]
