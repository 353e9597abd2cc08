"""May this preview be made?  What a policy says of agents and of previews at once, over counted facts; no I/O."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from bot.policy.facts import Stop
from bot.policy.objection import Objection
from bot.policy.terms import Agents, Effective, Preview

HOUR = 3600.0
SOON = 60.0  # seconds until previews that are just being started have room for one more, or have failed


@dataclasses.dataclass(frozen=True, slots=True)
class Asking:
    """A preview of an agent's change that is about to be made.  Times are Unix seconds."""

    agent: str  # for people
    login: str  # for a command
    now: float
    frozen: Stop | None = None
    admitted: tuple[float, ...] = ()  # when previews of this agent were let in, in all projects of the installation
    failures: int = 0  # builds of this pull request in a row, since a person last had a hand in it
    by_person: bool = False  # who asks for this one
    sha: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Denied:
    """Why not, and when it is tried again by itself (Unix seconds); None: when somebody asks."""

    objection: Objection
    again: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Occupant:
    """Another preview that takes up a place: it runs, or is just being started and can't be put to sleep."""

    deployment: str
    active_at: float
    agent_id: int | None
    starting: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """What has to go to sleep before one more preview starts, or why it may not."""

    sleep: tuple[str, ...] = ()
    denied: Denied | None = None


def binding(effective: Effective) -> bool:
    """Whether anything depends on who wrote a change, so that it has to be known before its preview is made."""
    agents, preview = effective.agents, effective.preview
    limits = (agents.rate.previews_per_hour, agents.rate.attempts_per_pr, preview.per_agent)
    counted = any(limit.scope.startswith("agent:") for limit in effective.budgets.limits)
    return not agents.may.preview or counted or any(limit is not None for limit in limits)


def admit(agents: Agents, asking: Asking) -> Denied | None:
    """The first thing that speaks against it.  A person may ask in an agent's place, but for a freeze and the rate."""
    return (
        _frozen(asking)
        or (None if asking.by_person else _may(agents, asking) or _attempts(agents, asking))
        or _rate(agents, asking)
    )


def _frozen(asking: Asking) -> Denied | None:
    stop = asking.frozen
    if stop is None:
        return None
    until = f" until {_moment(stop.until)}" if stop.until else ""
    words = f"{stop.login or stop.by} froze {asking.agent} here{until}: {stop.reason}"
    lift = f'/unfreeze {_word(f"agent:{asking.login}")} --reason="..."'
    return Denied(Objection("freeze", "agent_frozen", words, "frozen", "not frozen", lift, "person"), stop.until)


def _may(agents: Agents, asking: Asking) -> Denied | None:
    if agents.may.preview:
        return None
    words = f"The policy gives changes of agents no preview by themselves, and {asking.agent} wrote this one."
    ask = f"A person with write permission may comment /preview {asking.sha[:7]}".rstrip()
    return Denied(
        Objection("agent", "agent_not_permitted", words, "an agent's push", "a person who asks", ask, "person")
    )


def _attempts(agents: Agents, asking: Asking) -> Denied | None:
    """The loop breaker: a machine that fails again and again does not find out by itself."""
    most = agents.rate.attempts_per_pr
    if most is None or asking.failures < most:
        return None
    words = f"{asking.failures} builds in a row failed here, and the policy gives agents {most}. It needs a person now."
    ask = (
        "A person looks at the log of the last one, then comments /redeploy or pushes; that gives the agent new tries."
    )
    failed = f"{asking.failures} failed in a row"
    return Denied(Objection("rate", "attempts_exhausted", words, failed, f"fewer than {most}", ask, "person"))


def _rate(agents: Agents, asking: Asking) -> Denied | None:
    most = agents.rate.previews_per_hour
    if most is None:
        return None
    recent = sorted(at for at in asking.admitted if at > asking.now - HOUR)
    if len(recent) < most:
        return None
    # When so many of them are an hour old that one more is below the limit.  None ever is below none.
    again = recent[len(recent) - most] + HOUR if most else None
    words = f"{asking.agent} had {len(recent)} previews within an hour, and the policy gives it {most}."
    later = f"The newest commit is tried again by itself at {_moment(again)}." if again else "Ask who keeps the policy."
    no = Objection("rate", "rate_limited", words, f"{len(recent)} in an hour", f"{most} an hour", later, "time")
    return Denied(no, again)


def room(preview: Preview, agent_id: int | None, others: Sequence[Occupant], now: float) -> Room:
    """Make room for one more: in the agent's own share, then in the project.  The least recently used sleep."""
    gone: list[str] = []
    shares = (
        (
            preview.per_agent if agent_id is not None else None,
            "previews of one agent",
            lambda o: o.agent_id == agent_id,
        ),
        (preview.max_concurrent, "previews of this project", lambda _o: True),
    )
    for most, what, counts in shares:
        if most is None:
            continue
        here = [one for one in others if one.deployment not in gone and counts(one)]
        over = len(here) + 1 - most
        idle = sorted((one for one in here if not one.starting), key=lambda one: (one.active_at, one.deployment))
        if over > len(idle) or most == 0:
            words = f"{len(here)} {what} run or start at this moment, none can be put to sleep, and {most} may run."
            later = "It is tried again by itself in a minute." if most else "Ask who keeps the policy."
            no = Objection("previews", "previews_full", words, f"{len(here)}", f"{most} at once", later, "time")
            return Room(denied=Denied(no, now + SOON if most else None))
        gone += [one.deployment for one in idle[: max(0, over)]]
    return Room(tuple(gone))


def _word(text: str) -> str:
    return text if "[" not in text else f'"{text}"'


def _moment(at: float | None) -> str:
    return dt.datetime.fromtimestamp(at or 0.0, dt.UTC).strftime("%H:%M:%S UTC on %Y-%m-%d")
