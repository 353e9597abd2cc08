"""Rules about time and about what somebody put in the way."""

from __future__ import annotations

import datetime as dt

from bot.policy import windows
from bot.policy.facts import Facts, Stop, Unknown
from bot.policy.objection import Objection, unknown


def unfrozen(facts: Facts) -> Objection | None:
    """It is not frozen.

    Neither by command nor, on these days, by the policy."""
    if isinstance(facts.stops, Unknown):
        return _unknown(facts.stops)
    frozen = facts.stops.frozen
    if frozen is not None:
        words = f"{facts.environment} is frozen{_stop(frozen)}"
        lift = f'/unfreeze {facts.environment} --reason="..."'
        return Objection("freeze", "frozen", words, "frozen", "not frozen", lift, "person")
    by_policy = windows.frozen_at(facts.terms.freezes, facts.now)
    if by_policy is None:
        return None
    why = by_policy.reason or "no reason given"
    words = f"{facts.environment} is frozen by the policy until {_at(by_policy.end)}: {why}"
    lift = '/override freeze --reason="..."'
    return Objection("freeze", "frozen", words, "frozen", "not frozen", lift, "time")


def open_now(facts: Facts) -> Objection | None:
    """The hours are open."""
    terms = facts.terms
    if not terms.windows or windows.open_at(terms.windows, facts.now):
        return None
    opens = windows.next_opening(terms.windows, facts.now, terms.freezes)
    after = f"it opens {_at(opens)}" if opens is not None else "it does not open in the next two weeks"
    words = f"{facts.environment} is closed at this hour: {after}."
    lift = '/override window --reason="..."'
    return Objection("window", "window_closed", words, "closed", "open", lift, "time", "window closed")


def soaked(facts: Facts) -> Objection | None:
    """It was shown for long enough."""
    soak = facts.terms.soak
    if not soak:
        return None
    if isinstance(facts.live_since, Unknown):
        what = "since when it is shown"
        return unknown("soak", "soak_unknown", what, _span(soak), facts.live_since)
    lived = facts.now - facts.live_since if facts.live_since is not None else 0.0
    if lived >= soak:
        return None
    words = f"It has been shown for {_span(lived)}; the policy wants {_span(soak)}."
    short = f"soak {lived // 60:.0f} of {soak / 60:.0f} min" if soak >= 60 else f"soak {lived:.0f} of {soak} s"
    wait = f"Wait {_span(max(1, soak - lived))}, then write the command again."
    return Objection("soak", "soaking", words, _span(lived), _span(soak), wait, "time", short)


def unlocked(facts: Facts) -> Objection | None:
    """Nobody else has locked it."""
    if isinstance(facts.stops, Unknown):
        return _unknown(facts.stops)
    lock = facts.stops.locked
    if lock is None or lock.by == facts.actor_id:
        return None
    words, lift = f"{facts.environment} is locked{_stop(lock)}", f"/unlock {facts.environment}"
    return Objection(
        "lock", "locked", words, f"locked by {lock.login or lock.by}", "not locked by others", lift, "person"
    )


def unheld(facts: Facts) -> Objection | None:
    """It is not held."""
    if isinstance(facts.stops, Unknown):
        return _unknown(facts.stops)
    if facts.stops.held is None:
        return None
    words = f"{facts.environment} is held{_stop(facts.stops.held)}"
    return Objection("hold", "held", words, "held", "not held", f"/unhold {facts.environment}", "person")


def _unknown(why: Unknown) -> Objection:
    what = "whether the environment is frozen, locked or held"
    return unknown("environment", "environment_unknown", what, "neither", why)


def _stop(stop: Stop) -> str:
    by = f" by {stop.login}" if stop.login else ""
    until = f" until {_at(stop.until)}" if stop.until else ""
    return f"{by}{until}: {stop.reason}" if stop.reason else f"{by}{until}."


def _at(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
