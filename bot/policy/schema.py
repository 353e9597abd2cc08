"""What a policy file may say.  All of it is optional: None means that this layer says nothing, and leaves it to others.

Each field carries the meet that joins two layers which both speak of it (`bot.policy.meets`); `bot.policy.terms` has a
field of the same name with the default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from bot.policy import kinds, terms
from bot.policy.kinds import (
    Account,
    Cores,
    Currency,
    EnvironmentName,
    Host,
    Money,
    Name,
    Pattern,
    Principal,
    Scope,
    Size,
    Slug,
    Some,
    Zone,
)
from bot.policy.meets import (
    BY_RULE,
    COMMON,
    EVERY,
    LEAST,
    LIMITS,
    MOST,
    NEAREST,
    UNION,
    stricter,
)
from bot.policy.parts import MANY, Preview, Said, Stage
from bot.policy.scanners import Scanning

ENVIRONMENTS = 20  # of one project
CURRENCY = "USD"
ALERTS = (50, 80, 95)  # per cent
RULES = tuple(terms.OVERRIDABLE)

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Environments_ = Annotated[tuple[EnvironmentName, ...], Field(max_length=10)]


def _rule(value: object) -> str:
    if value in terms.NEVER:
        raise ValueError(f"{value} can never be overridden")
    if value not in RULES:
        raise ValueError(f"{kinds.told(value)} is no rule that can be overridden: {', '.join(RULES)}")
    return str(value)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Rule = Annotated[str, BeforeValidator(_rule), WithJsonSchema({"enum": list(RULES)})]
_ONE: dict[str, Any] = {"type": "string", "pattern": kinds.PRINCIPALS}
Who = Annotated[
    tuple[Principal, ...],
    BeforeValidator(_listed),
    Field(max_length=MANY),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "maxItems": MANY}]}),
]


class Environments(Said):
    """What holds where.  Beside these three there may be others, which are promoted to like production."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[EnvironmentName, Stage]

    preview: Preview | None = None
    """Previews of pull requests."""
    staging: Stage | None = None
    """Where people look once more before production."""
    production: Stage | None = None
    """What the users of the project see."""

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """Each environment that this layer speaks of, but for the preview."""
        known = {"staging": self.staging, "production": self.production, **(self.__pydantic_extra__ or {})}
        yield from ((name, stage) for name, stage in known.items() if stage is not None)

    @model_validator(mode="after")
    def _from_others(self) -> Self:
        if len(dict(self.stages())) > ENVIRONMENTS:
            raise ValueError(f"these are too many: {ENVIRONMENTS} at most")
        for name, stage in self.stages():
            if name in (stage.promote_from or ()):
                raise ValueError(f"{name} can't be promoted from itself")
        return self


class Identity(Said):
    """An agent, by a number that never changes hands: of its app or of its account."""

    app: Account | None = None
    """The number of the GitHub App."""
    user: Account | None = None
    """The number of the account."""
    name: Name
    """What people call it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.app is None) == (self.user is None):
            raise ValueError('say either "app" or "user", with its number')
        return self

    def term(self) -> terms.Identity:
        if self.app is not None:
            return terms.Identity("app", self.app, self.name)
        return terms.Identity("user", self.user or 0, self.name)


class Undeclared(Said):
    """Authors that nobody declared."""

    treat_as_agent_if: Annotated[Annotated[tuple[terms.Sign, ...], Field(max_length=3)] | None, UNION] = None
    """Signs that make an author an agent all the same."""


class Require(Said):
    """What a change by an agent needs, beside what every change needs."""

    approvals: Annotated[Annotated[int, Field(ge=0, le=10)] | None, MOST] = None
    """Approvals that it takes at least."""
    requester_counts: Annotated[bool | None, EVERY] = None
    """Whether the person who asked the agent may approve what it made."""
    max_lines: Annotated[Count | None, LEAST] = None
    """Lines that it may change."""
    max_files: Annotated[Count | None, LEAST] = None
    """Files that it may change."""
    deny_paths: Annotated[Annotated[tuple[Pattern, ...], Field(max_length=MANY)] | None, UNION] = None
    """Paths that it may not touch, like `infra/**`."""
    new_dependencies: Annotated[terms.Change | None, stricter("allow", "ack", "deny")] = None
    """Whether it may add dependencies; `ack`: once a person has written `/ack`."""
    migrations: Annotated[terms.Change | None, stricter("allow", "ack", "deny")] = None
    """Whether it may bring migrations of the database."""


class May(Said):
    """What agents may ask for themselves."""

    preview: Annotated[bool | None, EVERY] = None
    """Whether their changes get previews."""
    promote: Annotated[Environments_ | None, COMMON] = None
    """Environments that they may promote to; never production unless it is named."""
    rollback: Annotated[Environments_ | None, COMMON] = None
    """Environments that they may roll back."""
    override: Annotated[Annotated[tuple[Rule, ...], Field(max_length=MANY)] | None, COMMON] = None
    """Rules that they may override."""


class Rate(Said):
    """How fast agents may go.  Each one is counted by itself."""

    previews_per_hour: Annotated[Count | None, LEAST] = None
    """Previews that one agent may start in an hour."""
    attempts_per_pr: Annotated[Count | None, LEAST] = None
    """Builds that may fail in a row on one pull request before a person is asked."""


class AgentPreview(Said):
    """What a preview of an agent's change gets; never more than others get."""

    ttl: Annotated[Some | None, LEAST] = None
    """How long it lives without activity, like 4h."""
    cpu: Annotated[Cores | None, LEAST] = None
    """Cores."""
    memory: Annotated[Size | None, LEAST] = None
    """Memory."""


class Agents(Said):
    """Authors that are machines."""

    identities: Annotated[Annotated[tuple[Identity, ...], Field(max_length=MANY)] | None, UNION] = None
    """Accounts and apps that are agents."""
    undeclared: Undeclared | None = None
    """Authors that nobody declared."""
    require: Require | None = None
    """What a change by an agent needs, beside what every change needs."""
    may: May | None = None
    """What agents may ask for themselves."""
    rate: Rate | None = None
    """How fast agents may go."""
    preview: AgentPreview | None = None
    """What a preview of an agent's change gets."""


def _on_limit(value: object) -> object:
    return "sleep_previews" if value == "stop_previews" else value


class Limit(Said):
    """No more than this for one scope in one period."""

    scope: Scope
    """What is counted: `project`, `organization`, `team:web`, `agent:1234567`; each `agent:*`, `pr:*`, `team:*`."""
    period: terms.Period
    """Since when: the day, week or month of the calendar, or ever."""
    limit: Money
    """How much, in the currency."""
    alert: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1, max_length=10)] | None = None
    """Per cent at which people are told; 50, 80 and 95 when not said."""
    on_limit: Annotated[terms.OnLimit, BeforeValidator(_on_limit)] | None = None
    """What happens then: nothing new starts, or running previews go to sleep, too.  Production never stops."""

    def term(self, owner: Budgets) -> terms.Limit:
        return terms.Limit(
            self.scope,
            self.period,
            owner.currency or CURRENCY,
            owner.timezone or "UTC",
            self.limit,
            tuple(sorted(set(self.alert or ALERTS))),
            self.on_limit or "deny_new",
        )


class Budgets(Said):
    """What may be spent."""

    currency: Currency | None = None
    """The currency of the limits in this file, like EUR; USD when not said."""
    timezone: Zone | None = None
    """The zone whose days, weeks and months the limits in this file count; UTC when not said."""
    limits: Annotated[Annotated[tuple[Limit, ...], Field(max_length=MANY)] | None, LIMITS] = None
    """What may be spent, at most."""
    teams: Annotated[Annotated[tuple[Slug, ...], Field(max_length=20)] | None, UNION] = None
    """Slugs of the GitHub teams for which this project's changes count."""

    @field_validator("limits")
    @classmethod
    def _once(cls, value: tuple[Limit, ...] | None) -> tuple[Limit, ...] | None:
        seen: set[tuple[str, str]] = set()
        for limit in value or ():
            if (limit.scope, limit.period) in seen:
                raise ValueError(f"{limit.scope} has two limits for a {limit.period}: say one")
            seen.add((limit.scope, limit.period))
        return value


class Isolation(Said):
    """What code in a preview is given."""

    network: Annotated[Literal["egress_allowlist", "none"] | None, stricter("egress_allowlist", "none")] = None
    """Whether it reaches the outside: the hosts of `egress`, or nothing."""
    egress: Annotated[Annotated[tuple[Host, ...], Field(max_length=MANY)] | None, COMMON] = None
    """Hosts that it may reach."""
    secrets: Annotated[Literal["preview_only", "none"] | None, stricter("preview_only", "none")] = None
    """Secrets that it sees: those meant for previews, or none.  Production's: never."""
    cpu: Annotated[Cores | None, LEAST] = None
    """Cores."""
    memory: Annotated[Size | None, LEAST] = None
    """Memory."""
    pids: Annotated[Annotated[int, Field(ge=16, le=100_000)] | None, LEAST] = None
    """Processes."""
    disk: Annotated[Size | None, LEAST] = None
    """Disk."""
    max_runtime: Annotated[Some | None, LEAST] = None
    """How long it may run, however much it is used."""
    production_data: Annotated[Literal["never"] | None, NEAREST] = None
    """Production's data is never there; nothing else can be said."""


class Override(Said):
    """Who may lift a rule for a while, with a reason, on the books."""

    roles: Annotated[dict[Rule, Who] | None, BY_RULE] = None
    """Rule to those who may lift it.  A layer that sets a rule and names nobody here lets nobody lift it."""
    max: Annotated[Some | None, LEAST] = None
    """How long an override lasts at most."""
    never: Annotated[Annotated[tuple[Name, ...], Field(max_length=MANY)] | None, UNION] = None
    """Rules that nobody may lift; isolation, secrets and permission are always among them."""

    @field_validator("never")
    @classmethod
    def _known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            if name not in terms.NEVER:
                _rule(name)
        return value


class Policy(Said):
    """Slipway's policy: .slipway.yml on the default branch.  An empty file is one."""

    version: Literal[1] | None = None
    """The version of this format: 1."""
    inherit: Literal["org"] | None = None
    """The organization's policy holds, too; it always does."""
    environments: Environments | None = None
    """What holds where."""
    agents: Agents | None = None
    """Authors that are machines."""
    budgets: Budgets | None = None
    """What may be spent."""
    isolation: Isolation | None = None
    """What code in a preview is given."""
    override: Override | None = None
    """Who may lift a rule for a while, with a reason, on the books."""
    scan: Scanning | None = None
    """The scan itself: who looks, and who else is told."""


def json_schema() -> dict[str, Any]:
    """The format as JSON Schema, for editors."""
    found = Policy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
