"""What holds, once every layer has spoken.  The defaults here are the rules without any policy file.

The fields have the names of `bot.policy.schema`; one with a trailing `_` is a word of Python without it.  Times are
seconds, money is millionths of the currency, sizes are bytes.  None: no limit, or what the server's settings say.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from bot.policy.scanning import Scanning
from bot.policy.windows import Freeze, Window

Circles = tuple[frozenset[str], ...]  # who must be in every one of these sets; an empty set: nobody

Strength = Literal["comment", "review", "web"]
Confirm = Literal["none", "comment", "web"]
Hand = Literal["author", "committers", "requester", "last_pusher"]
Sign = Literal["bot_author", "coauthor_trailer", "performed_via_app"]
Change = Literal["allow", "ack", "deny"]  # of dependencies or of the database
Period = Literal["day", "week", "month", "lifetime"]
OnLimit = Literal["deny_new", "sleep_previews"]
Revoking = Literal["never", "malware", "threshold"]  # by the nightly look at what serves

# What may be overridden at all: the rule's name, and the fields that it stands on.
OVERRIDABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "approval": ("approvals", "agents.require.approvals"),
        "budget": ("budgets.limits",),
        "changes": (),
        "checks": ("checks", "other_checks"),
        "dependencies": ("agents.require.new_dependencies",),
        "extra_check": ("extra_checks",),
        "freeze": ("freezes",),
        "hold": (),
        "lock": (),
        "migrations": ("agents.require.migrations",),
        "paths": ("agents.require.deny_paths",),
        "promote_from": ("promote_from",),
        "rate": ("agents.rate",),
        "scan": ("scan",),
        "size": ("agents.require.max_lines", "agents.require.max_files"),
        "soak": ("soak",),
        "window": ("windows",),
    }
)
NEVER = frozenset({"isolation", "secrets", "permission"})  # no layer can take these out
STAGES = ("staging", "production")  # environments that there always are, beside the preview


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class RequiredCheck:
    """A check run that must be there and have succeeded.  `app` None: it is reported by this Slipway."""

    name: str
    app: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ExtraCheck:
    """A decision made elsewhere: a check run, or the answer of a webhook within `timeout` seconds."""

    check: RequiredCheck | None = None
    webhook: str | None = None
    timeout: int = 3


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A declared agent, by the number of its app or of its account; the name is for people."""

    kind: Literal["app", "user"]
    id: int
    name: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Limit:
    """No more than `limit` millionths of the currency for a scope and a period, on the calendar of a zone.

    `scope`: project, organization, team:<slug>, agent:<number>; with `*` (team:*, agent:*, pr:*) each one by itself.
    `alert`: per cent of the limit at which people are told."""

    scope: str
    period: Period
    currency: str
    timezone: str
    limit: int
    alert: tuple[int, ...]
    on_limit: OnLimit


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """Previews.  `max_concurrent` in the project, `per_agent` of one agent."""

    ttl: int | None = None
    max_concurrent: int | None = None
    per_agent: int | None = None
    forks: Literal["never", "on_command"] = "on_command"


@dataclasses.dataclass(frozen=True, slots=True)
class Approvals:
    """Whose word counts, and how many of them."""

    count: int = 1
    from_: Circles = (frozenset({"role:write"}),)
    human_only: bool = True
    exclude: frozenset[str] = frozenset({"author", "committers", "requester", "last_pusher"})
    strength: Strength = "review"


@dataclasses.dataclass(frozen=True, slots=True)
class Licences:
    deny: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """New findings that may be there, by weight.  None: any number."""

    critical: int | None = 0
    high: int | None = 0
    medium: int | None = None
    low: int | None = None
    secrets: int | None = 0
    malware: int | None = 0
    unknown: Literal["allow", "deny"] = "deny"
    max_age: int | None = None
    revoke: Revoking = "never"
    licences: Licences = Licences()


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """How a release is watched; as `bot.releases.verdict.Watch`.  `path`, `expect`, `timeout` None: as detected."""

    path: str | None = None
    expect: int | None = None
    interval: int = 5
    timeout: int | None = None
    warmup: int = 0
    window: int = 300
    fail_after: int = 3
    min_samples: int = 5
    no_data: Literal["inconclusive", "failed"] = "inconclusive"


@dataclasses.dataclass(frozen=True, slots=True)
class AutoRollback:
    """What is rolled back without being asked.  `errors`: when it can't be measured."""

    on: frozenset[str] = frozenset({"failed"})
    errors: Literal["ignore", "hold"] = "ignore"
    max_age: int | None = None
    to: Literal["last_verified"] = "last_verified"
    hold: bool = True
    max_per_hour: int | None = None
    migrations: Literal["allow", "block_destructive"] = "block_destructive"


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    verified: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """What holds in one environment that is promoted to."""

    promote_from: Circles = (frozenset({"preview"}),)
    deployers: Circles = (frozenset({"role:maintain"}),)
    author_may_promote: bool = False
    approvals: Approvals = Approvals()
    checks: frozenset[RequiredCheck] = frozenset()
    other_checks: Literal["ignored", "required"] = "required"
    scan: Scan = Scan()
    soak: int = 0
    windows: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    health: Health = Health()
    auto_rollback: AutoRollback = AutoRollback()
    retention: Retention = Retention()
    confirm: Confirm = "none"
    extra_checks: frozenset[ExtraCheck] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Undeclared:
    treat_as_agent_if: frozenset[str] = frozenset({"bot_author", "coauthor_trailer", "performed_via_app"})


@dataclasses.dataclass(frozen=True, slots=True)
class Require:
    """What a change by an agent needs beside the rest.  `approvals`: at least so many, wherever it goes."""

    approvals: int = 0
    requester_counts: bool = False
    max_lines: int | None = None
    max_files: int | None = None
    deny_paths: frozenset[str] = frozenset()
    new_dependencies: Change = "allow"
    migrations: Change = "allow"

    @property
    def looks_at_changes(self) -> bool:
        """Whether any of it needs to know what a change touches."""
        asks = self.new_dependencies != "allow" or self.migrations != "allow"
        return asks or bool(self.deny_paths) or self.max_lines is not None or self.max_files is not None


@dataclasses.dataclass(frozen=True, slots=True)
class May:
    """What agents may ask for themselves: environments, and for `override` the names of rules."""

    preview: bool = True
    promote: frozenset[str] = frozenset()
    rollback: frozenset[str] = frozenset()
    override: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    previews_per_hour: int | None = None
    attempts_per_pr: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class AgentPreview:
    """What a preview of an agent's change gets, when that is less than others get."""

    ttl: int | None = None
    cpu: float | None = None
    memory: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Agents:
    identities: frozenset[Identity] = frozenset()
    undeclared: Undeclared = Undeclared()
    require: Require = Require()
    may: May = May()
    rate: Rate = Rate()
    preview: AgentPreview = AgentPreview()


@dataclasses.dataclass(frozen=True, slots=True)
class Budgets:
    """`teams`: those whose limits this project's changes count for."""

    limits: tuple[Limit, ...] = ()
    teams: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Isolation:
    """What untrusted code is given.  `egress`: hosts it may reach, when `network` is egress_allowlist."""

    network: Literal["none", "egress_allowlist"] | None = None
    egress: frozenset[str] | None = None
    secrets: Literal["none", "preview_only"] = "preview_only"
    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    disk: int | None = None
    max_runtime: int | None = None
    production_data: Literal["never"] = "never"


def _nobody() -> Mapping[str, Circles]:
    return MappingProxyType({rule: (frozenset[str](),) for rule in OVERRIDABLE})


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """Who may lift which rule, for `max` seconds at most.  `roles` has an entry for every rule that can be lifted."""

    roles: Mapping[str, Circles] = dataclasses.field(default_factory=_nobody)
    max: int = 7200
    never: frozenset[str] = NEVER

    def by(self, rule: str) -> Circles:
        """Who may lift this rule: somebody must be in every set."""
        nobody = (frozenset[str](),)
        return nobody if rule in self.never else self.roles.get(rule, nobody)


@dataclasses.dataclass(frozen=True)
class Effective:
    """All that holds, and which layers decided each field: path to their names; a field not named has its default."""

    preview: Preview = Preview()
    environments: Mapping[str, Terms] = dataclasses.field(
        default_factory=lambda: MappingProxyType({name: Terms() for name in STAGES})
    )
    agents: Agents = Agents()
    budgets: Budgets = Budgets()
    isolation: Isolation = Isolation()
    override: Override = dataclasses.field(default_factory=Override)
    scan: Scanning = dataclasses.field(default_factory=Scanning)
    decided: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of what holds, whoever said it."""
        held = {name: canonical(getattr(self, name)) for name in HELD}
        text = json.dumps(held, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def terms(self, environment: str) -> Terms:
        """What holds there; for an environment that nobody named: the defaults."""
        return self.environments.get(environment) or Terms()


HELD = ("preview", "environments", "agents", "budgets", "isolation", "override", "scan")


def canonical(value: object) -> Any:
    """A value of this module as JSON, the same for equal values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value)}
    if isinstance(value, frozenset):
        return sorted((canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return [canonical(item) for item in value] if isinstance(value, tuple) else value
