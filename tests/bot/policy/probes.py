"""One question for each field of a policy, answered twice: by what a file says, and by what holds after merging.

The first answer is worked out here from the text of the file, without the code that merges.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.policy import terms, windows

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "Mi": 1024**2, "Gi": 1024**3}


@dataclasses.dataclass(frozen=True)
class Probe:
    """`raw`: values as they stand in files.  `facts`: what may be asked.  `said`, `held`: is this fact allowed?"""

    raw: Sequence[Any]
    facts: Sequence[Any]
    said: Callable[[Any, Any], bool]
    held: Callable[[Any, Any], bool]


def number(raw: object) -> float:
    if isinstance(raw, str):
        unit = next(unit for unit in ("Mi", "Gi", "s", "m", "h", "d") if raw.endswith(unit))
        return int(raw.removesuffix(unit)) * SECONDS[unit]
    return float(str(raw))


def at_least(*raw: Any) -> Probe:
    facts = sorted({number(one) + more for one in raw for more in (-1, 0, 1)})
    return Probe(raw, facts, lambda said, fact: fact >= number(said), lambda held, fact: fact >= held)


def at_most(*raw: Any) -> Probe:
    facts = sorted({number(one) + more for one in raw for more in (-1, 0, 1)})
    return Probe(raw, facts, lambda said, fact: fact <= number(said), lambda held, fact: held is None or fact <= held)


def as_strict(*words: str) -> Probe:
    def good(value: str | None, fact: str) -> bool:
        return value is None or words.index(fact) >= words.index(value)

    return Probe(words, words, good, good)


def never_in(*items: str) -> Probe:
    raw = [(), *((item,) for item in items), items, items[:2]]
    return Probe(raw, items, lambda said, fact: fact not in said, lambda held, fact: fact not in held)


def only_in(*items: str) -> Probe:
    raw = [(), *((item,) for item in items), items, items[1:]]
    return Probe(raw, items, lambda said, fact: fact in said, lambda held, fact: held is None or fact in held)


def lacking(pairs: Sequence[tuple[dict[str, Any], Any]]) -> Probe:
    """Something required is not there."""
    raw = [(), *((one,) for one, _item in pairs), tuple(one for one, _item in pairs)]
    known = [(one, item) for one, item in pairs]
    return Probe(
        raw,
        known,
        lambda said, fact: fact[0] not in said,
        lambda held, fact: fact[1] not in held,
    )


def somebody(raw: Sequence[tuple[str, ...]], people: Sequence[frozenset[str]]) -> Probe:
    return Probe(
        raw, people, lambda said, who: bool(who & set(said)), lambda held, who: all(who & circle for circle in held)
    )


def asked(allowed: Callable[[bool, bool], bool]) -> Probe:
    return Probe((True, False), (True, False), allowed, allowed)


# Everybody who is named has write permission, and a higher role may do all that a lower one may.
WRITER = frozenset({"role:write"})
PEOPLE = [
    WRITER,
    WRITER | {"role:maintain"},
    WRITER | {"role:maintain", "role:admin"},
    WRITER | {"user:7"},
    WRITER | {"team:acme/leads"},
    WRITER | {"team:acme/leads", "user:7", "role:maintain"},
    WRITER | {"team:acme/oncall", "role:maintain", "role:admin"},
]
NAMED = [
    ("role:write",),
    ("role:maintain",),
    ("role:admin", "user:7"),
    ("team:acme/leads",),
    ("team:acme/leads", "team:acme/oncall"),
    ("role:maintain", "role:admin"),
    (),
]
PLACES = [("preview",), ("uat",), ("preview", "uat"), ("lab",)]
VERIFIED = [frozenset(one) for one in ((), ("preview",), ("uat",), ("preview", "uat"), ("lab", "preview"))]

_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_WEEKS: list[dict[str, Any]] = [
    {"tz": "Europe/Berlin", "allow": ("Mon-Thu 08:00-16:00",)},
    {"tz": "Europe/Berlin", "allow": ("Tue-Fri 12:00-20:00", "Sun 22:00-02:00")},
    {"tz": "UTC", "allow": ("00:00-24:00",)},
    {"tz": "America/New_York", "allow": ("Fri-Mon 22:00-06:00",)},
]
_MOMENTS = [1_798_761_600 + hour * 3600 + minute * 60 for hour in range(0, 170, 3) for minute in (0, 29, 59)]


def _in_week(said: Mapping[str, Any], moment: float) -> bool:
    local = dt.datetime.fromtimestamp(moment, zoneinfo.ZoneInfo(said["tz"]))
    return any(_in_line(line, local) for line in said["allow"])


def _in_line(line: str, local: dt.datetime) -> bool:
    days, _, times = line.rpartition(" ")
    start, end = times.split("-")
    clock, today, yesterday = local.strftime("%H:%M"), local.weekday(), (local.weekday() - 1) % 7
    first, _, last = (days or "Mon-Sun").partition("-")
    begin, length = _DAYS.index(first), (_DAYS.index(last or first) - _DAYS.index(first)) % 7
    inside = [(begin + step) % 7 for step in range(length + 1)]
    if end > start:
        return today in inside and start <= clock < end
    return (today in inside and clock >= start) or (yesterday in inside and clock < end)


def _days(first: int, last: int) -> dict[str, Any]:
    return {"from": f"2027-01-{first:02d}T00:00Z", "to": f"2027-01-{last:02d}T00:00Z", "reason": f"{first} to {last}"}


def _unfrozen(said: Sequence[Mapping[str, Any]], moment: float) -> bool:
    when = dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")
    return not any(freeze["from"] <= when < freeze["to"] for freeze in said)


_SPENT = [
    (scope, period, amount) for scope in ("project", "pr:*") for period in ("day", "month") for amount in (1, 5, 9, 50)
]


def _limit(scope: str, period: str, limit: int) -> dict[str, Any]:
    return {"scope": scope, "period": period, "limit": limit}


def _unspent(said: Sequence[Mapping[str, Any]], fact: tuple[str, str, int]) -> bool:
    scope, period, amount = fact
    return all(amount <= one["limit"] for one in said if (one["scope"], one["period"]) == (scope, period))


def _unlimited(held: Sequence[terms.Limit], fact: tuple[str, str, int]) -> bool:
    scope, period, amount = fact
    return all(amount * 1_000_000 <= one.limit for one in held if (one.scope, one.period) == (scope, period))


_CHECK = {"name": "build", "app": 15368}
_OWN = {"name": "slipway/scan", "app": "self"}
_CHECKS = lacking([(_CHECK, terms.RequiredCheck("build", 15368)), (_OWN, terms.RequiredCheck("slipway/scan", None))])
_EXTRA = lacking(
    [
        ({"check": _CHECK}, terms.ExtraCheck(terms.RequiredCheck("build", 15368))),
        ({"webhook": "https://opa.example.org/"}, terms.ExtraCheck(None, "https://opa.example.org/", 3)),
    ]
)
_IDENTITIES = lacking(
    [
        ({"app": 5, "name": "a"}, terms.Identity("app", 5)),
        ({"user": 5, "name": "b"}, terms.Identity("user", 5)),
    ]
)
_DAY = ("1h", "6h", "1d", "90m")

_STAGE: dict[str, Probe] = {
    "promote_from": somebody(PLACES, VERIFIED),
    "deployers": somebody(NAMED, PEOPLE),
    "author_may_promote": asked(lambda value, is_author: value or not is_author),
    "approvals.count": at_least(0, 1, 2, 5),
    "approvals.from": somebody(NAMED, PEOPLE),
    "approvals.human_only": asked(lambda value, is_human: is_human or not value),
    "approvals.exclude": never_in("author", "committers", "requester", "last_pusher"),
    "approvals.strength": as_strict("comment", "review", "web"),
    "checks": _CHECKS,
    "other_checks": as_strict("ignored", "required"),
    **{f"scan.{name}": at_most(0, 3, 20) for name in ("critical", "high", "medium", "low", "secrets", "malware")},
    "scan.unknown": as_strict("allow", "deny"),
    "scan.max_age": at_most(*_DAY),
    "scan.revoke": as_strict("never", "malware", "threshold"),
    "scan.licences.deny": never_in("AGPL-3.0", "GPL-3.0", "SSPL-1.0"),
    "soak": at_least("0s", "15m", "1h", "7d"),
    "windows": Probe(_WEEKS, _MOMENTS, _in_week, windows.open_at),
    "freezes": Probe(
        [(), (_days(1, 3),), (_days(2, 5), _days(1, 2)), (_days(1, 6),)],
        _MOMENTS,
        _unfrozen,
        lambda held, moment: windows.frozen_at(held, moment) is None,
    ),
    "health.interval": at_most("1s", "2s", "5s"),
    "health.timeout": at_most("1s", "2s", "5s"),
    "health.warmup": at_most("0s", "10s"),
    "health.window": at_least("1m", "5m", "1h"),
    "health.fail_after": at_most(1, 3, 5),
    "health.min_samples": at_least(1, 5, 10),
    "health.no_data": as_strict("inconclusive", "failed"),
    "auto_rollback.on": never_in("failed", "inconclusive"),
    "auto_rollback.errors": as_strict("ignore", "hold"),
    "auto_rollback.max_age": at_most(*_DAY),
    "auto_rollback.hold": asked(lambda value, held: held or not value),
    "auto_rollback.max_per_hour": at_most(1, 3),
    "auto_rollback.migrations": as_strict("allow", "block_destructive"),
    "retention.verified": at_least(1, 5, 20),
    "confirm": as_strict("none", "comment", "web"),
    "extra_checks": _EXTRA,
}

PROBES: dict[str, Probe] = {
    "environments.preview.ttl": at_most(*_DAY),
    "environments.preview.max_concurrent": at_most(1, 5, 20),
    "environments.preview.per_agent": at_most(1, 5, 20),
    "environments.preview.forks": as_strict("on_command", "never"),
    **{f"environments.*.{name}": probe for name, probe in _STAGE.items()},
    "agents.identities": _IDENTITIES,
    "agents.undeclared.treat_as_agent_if": never_in("bot_author", "coauthor_trailer", "performed_via_app"),
    "agents.require.approvals": at_least(0, 1, 2),
    "agents.require.requester_counts": asked(lambda value, is_requester: value or not is_requester),
    "agents.require.max_lines": at_most(1, 100, 800),
    "agents.require.max_files": at_most(1, 10, 60),
    "agents.require.deny_paths": never_in("infra/**", ".github/**", "*.tf"),
    "agents.require.new_dependencies": as_strict("allow", "ack", "deny"),
    "agents.require.migrations": as_strict("allow", "ack", "deny"),
    "agents.may.preview": asked(lambda value, asks: value or not asks),
    "agents.may.promote": only_in("staging", "production"),
    "agents.may.rollback": only_in("staging", "production"),
    "agents.may.override": only_in("soak", "freeze"),
    "agents.rate.previews_per_hour": at_most(1, 30),
    "agents.rate.attempts_per_pr": at_most(1, 25),
    "agents.preview.ttl": at_most(*_DAY),
    "agents.preview.cpu": at_most(1, 2),
    "agents.preview.memory": at_most("256Mi", "1Gi"),
    "budgets.limits": Probe(
        [(), (_limit("project", "day", 5),), (_limit("project", "day", 9), _limit("pr:*", "month", 1))],
        _SPENT,
        _unspent,
        _unlimited,
    ),
    "budgets.teams": never_in("web", "api"),
    "isolation.network": as_strict("egress_allowlist", "none"),
    "isolation.egress": only_in("registry.example.org", "*.example.com"),
    "isolation.secrets": as_strict("preview_only", "none"),
    "isolation.cpu": at_most(1, 2),
    "isolation.memory": at_most("256Mi", "1Gi"),
    "isolation.pids": at_most(64, 256),
    "isolation.disk": at_most("256Mi", "1Gi"),
    "isolation.max_runtime": at_most(*_DAY),
    "scan.upload": asked(lambda value, told: told or not value),
    "scan.scanners": Probe(
        [(), ({"name": "trivy"},), ({"name": "trivy", "needed": False}, {"name": "osv-scanner"})],
        ("trivy", "osv-scanner"),  # gives no report
        lambda said, silent: not any(one["name"] == silent and one.get("needed", True) for one in said),
        lambda held, silent: not any(one.name == silent and one.needed for one in held),
    ),
    "override.max": at_most(*_DAY),
    "override.never": never_in("soak", "freeze", "scan"),
}


def policy(dice: random.Random, size: int) -> dict[str, Any]:
    """What a file may say: some fields, with one of their values; path to value."""
    paths = dice.sample(sorted(PROBES), size)
    stages = ("production", "staging", "qa")
    return {path.replace("*", dice.choice(stages)): dice.choice(PROBES[path].raw) for path in paths}


def nested(said: Mapping[str, Any]) -> dict[str, Any]:
    """A file of these fields."""
    found: dict[str, Any] = {}
    for path, value in said.items():
        *parents, last = path.split(".")
        here = found
        for name in parents:
            here = here.setdefault(name, {})
        here[last] = value
    return found


def probe(path: str) -> Probe:
    parts = path.split(".")
    if parts[0] == "environments" and parts[1] != "preview":
        parts[1] = "*"
    return PROBES[".".join(parts)]
