"""Row functions about the required check: one row a commit, one run of the check after the other."""

from __future__ import annotations

import dataclasses

from sqlmodel import Session, col, func, select

from bot.errands import judge
from bot.models import Gate, Leave, Project, PullRequest
from bot.store import deliveries

LINKS = 100  # groups of a merge queue that stand on each other
PAUSE = 10.0  # seconds between two runs at one commit, when only others' checks ask for them
OPEN = (None, "ending", "left")  # conclusions of what has still to be told how it ends
STUCK = 86400.0  # seconds for which a run that nobody works on any more is taken up again
AGAIN = 600.0  # seconds between two such tries


def open_run(session: Session, project_id: int, sha: str, now: float) -> Gate:
    """The run that goes on at a commit, else a new one: what has ended is never opened again."""
    row = session.get(Gate, (project_id, sha)) or Gate(project_id=project_id, sha=sha, conclusion="none")
    if row.conclusion is not None:
        row.run, row.check_id, row.conclusion, row.opened_at = row.run + 1, None, None, now
    session.add(row)
    return row


def made(session: Session, project_id: int, sha: str, run: int, check_id: int) -> None:
    """GitHub shows the run under this id."""
    row = session.get_one(Gate, (project_id, sha))
    if row.run == run:
        row.check_id = check_id
        session.add(row)


def ending(session: Session, project_id: int, sha: str, run: int, goes_on: bool = False) -> None:
    """GitHub is about to be told how the run ends; `goes_on`: it was not."""
    row = session.get_one(Gate, (project_id, sha))
    if row.run == run:
        row.conclusion = None if goes_on else "ending"
        session.add(row)


def told(session: Session, project_id: int, sha: str, run: int, conclusion: str | None, title: str) -> None:
    row = session.get_one(Gate, (project_id, sha))
    if row.run == run:
        row.conclusion, row.title = conclusion, title
        session.add(row)


def gate(session: Session, project_id: int, sha: str) -> Gate | None:
    return session.get(Gate, (project_id, sha))


def note_group(session: Session, project_id: int, sha: str, number: int | None, base: str, now: float) -> None:
    """GitHub asks about a group of its merge queue: `number` on top of what `base` is."""
    row = session.get(Gate, (project_id, sha)) or Gate(project_id=project_id, sha=sha, conclusion="none")
    row.number, row.base = number, base
    session.add(row)
    ask(session, project_id, sha, f"group:{sha}", now)


def drop_group(session: Session, project_id: int, sha: str, now: float) -> None:
    """GitHub gave the group up: nothing is to be decided about it any more."""
    row = session.get(Gate, (project_id, sha))
    if row is not None:
        row.number = row.base = None
        session.add(row)
        ask(session, project_id, sha, f"dropped:{sha}", now)


def group(session: Session, project_id: int, sha: str) -> list[int]:
    """The pull requests that a group of the merge queue merges: its own and those of the groups that it stands on.

    None at all when one of them is not known: a part is no answer."""
    numbers: list[int] = []
    row = session.get(Gate, (project_id, sha))
    while row is not None and row.base is not None:
        if row.number is None or row.number in numbers or len(numbers) == LINKS:
            return []
        numbers.append(row.number)
        row = session.get(Gate, (project_id, row.base))
    return numbers


def lifted_until(session: Session, project_id: int, number: int, sha: str, now: float) -> float | None:
    """When the first of the rules that somebody lifted at this head comes back."""
    query = select(func.min(Leave.until)).where(Leave.project_id == project_id, Leave.number == number)
    return session.exec(query.where(Leave.sha == sha, Leave.kind == "override", col(Leave.until) > now)).one()


def ask(session: Session, project_id: int, sha: str, reason: str, now: float, *, run_at: float = 0.0) -> None:
    """Something happened that the verdict at this commit may turn on."""
    deliveries.send(session, judge(project_id, sha, reason), now, run_at=run_at)


def ask_known(session: Session, project_id: int, sha: str, reason: str, now: float) -> None:
    """Ask again about a commit that there is a verdict on, or is to be."""
    if session.get(Gate, (project_id, sha)) is not None:
        ask(session, project_id, sha, reason, now)


def ask_of_check(session: Session, project_id: int, sha: str, reason: str, now: float, *, ended: bool) -> None:
    """Somebody's check ended, or began.

    A build of a hundred jobs is a hundred of these, so what is no success waits a moment for the others; a success
    does not stand for one, not even while a check only runs."""
    row = session.get(Gate, (project_id, sha))
    if row is not None and (ended or row.conclusion == "success"):
        waits = row.conclusion not in ("success", *OPEN)
        ask(session, project_id, sha, reason, now, run_at=row.opened_at + PAUSE if waits else 0.0)


def left(session: Session, project_id: int, sha: str, reason: str, now: float) -> None:
    """A pull request has another head now, or was closed: its success must not wait here for the next one."""
    row = session.get(Gate, (project_id, sha))
    if row is None:
        return
    if row.conclusion == "success":
        row.conclusion = "left"
        session.add(row)
    ask(session, project_id, sha, reason, now)


def ask_stuck(session: Session, now: float) -> None:
    """Runs that go on and that no delivery is about any more: the one that was has failed for good."""
    alive = col(Gate.conclusion).is_(None) | col(Gate.conclusion).in_(OPEN[1:])
    query = select(Gate).join(Project, col(Project.id) == Gate.project_id).where(Project.state == "active")
    for row in session.exec(query.where(alive, col(Gate.opened_at) > now - STUCK)).all():
        one = judge(row.project_id, row.sha, f"stuck:{int(now // AGAIN)}")
        if not deliveries.busy(session, one.order.key):
            deliveries.send(session, one, now)


def ask_later(session: Session, project_id: int, sha: str, due: float, now: float) -> None:
    """Ask again then, unless something happens before.  It takes nobody's place: who is asking now is not done.

    Each is one of its own: an older one for the same moment may have been superseded meanwhile."""
    one = dataclasses.replace(judge(project_id, sha, f"at:{due:.3f}:{now:.3f}"), replaces=False)
    deliveries.send(session, one, now, run_at=due)


def ask_open(session: Session, project_id: int, reason: str, now: float) -> None:
    """Something happened that every open pull request's verdict may turn on."""
    query = select(PullRequest.head_sha).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    for sha in sorted(set(session.exec(query.where(col(PullRequest.head_sha) != "")))):
        ask(session, project_id, sha, reason, now)
