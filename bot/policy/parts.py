"""What a policy may say of one environment.  Field for field; what is not said is None and leaves it to others."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bot.policy import kinds, terms, windows
from bot.policy.kinds import App, EnvironmentName, Name, Principals, Some, Span, Zone
from bot.policy.meets import EITHER, EVERY, FREEZES, IN_EVERY, LEAST, MOST, NEAREST, UNION, WINDOWS, stricter

MANY = 100  # items of a list
Findings = Annotated[int, Field(ge=0, le=100_000)]
Small = Annotated[int, Field(ge=1, le=1000)]


class Said(BaseModel):
    """Part of a policy.  Unknown names, and values of another kind, are refused; nothing is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Preview(Said):
    """Previews of pull requests."""

    ttl: Annotated[Some | None, LEAST] = None
    """How long a preview lives without activity."""
    max_concurrent: Annotated[Small | None, LEAST] = None
    """Previews that the project may have at once."""
    per_agent: Annotated[Small | None, LEAST] = None
    """Previews that one agent may have at once."""
    forks: Annotated[Literal["on_command", "never"] | None, stricter("on_command", "never")] = None
    """Whether code from a fork may be previewed when somebody with write permission asks for that very commit."""


class Approvals(Said):
    """Who has to agree before it ships."""

    count: Annotated[Annotated[int, Field(ge=0, le=10)] | None, MOST] = None
    """How many approvals it takes; an agent's change may need more, see `agents.require`."""
    from_: Annotated[Principals | None, IN_EVERY, Field(alias="from")] = None
    """Whose approval counts.  Write permission is needed beside it, at that moment."""
    human_only: Annotated[bool | None, EITHER] = None
    """Whether only people count: accounts that are no bots, and that did not write through an app."""
    exclude: Annotated[Annotated[tuple[terms.Hand, ...], Field(max_length=4)] | None, UNION] = None
    """Whose approval never counts, because of their hand in the change; co-authors are committers."""
    strength: Annotated[terms.Strength | None, stricter("comment", "review", "web")] = None
    """The weakest form that counts: an `/approve` comment, a review on GitHub, or a confirmation in the browser."""


class Check(Said):
    """A check run, known by its name and by the app that reports it: anybody who may write can fake a name."""

    name: Name
    """Its name, as GitHub shows it."""
    app: App
    """The number of the app that reports it (GitHub Actions is 15368), or `self` for Slipway's own."""

    def term(self) -> terms.RequiredCheck:
        return terms.RequiredCheck(self.name, None if self.app == "self" else self.app)


class Licences(Said):
    """Licences of dependencies."""

    deny: Annotated[Annotated[tuple[Name, ...], Field(max_length=MANY)] | None, UNION] = None
    """SPDX identifiers that may not be there."""


class Scan(Said):
    """What a scan may have found."""

    critical: Annotated[Findings | None, LEAST] = None
    """Critical findings that are still allowed."""
    high: Annotated[Findings | None, LEAST] = None
    """High findings that are still allowed."""
    medium: Annotated[Findings | None, LEAST] = None
    """Medium findings that are still allowed."""
    low: Annotated[Findings | None, LEAST] = None
    """Low findings that are still allowed."""
    secrets: Annotated[Findings | None, LEAST] = None
    """Secrets in the code that are still allowed."""
    malware: Annotated[Findings | None, LEAST] = None
    """Malicious dependencies that are still allowed."""
    unknown: Annotated[Literal["allow", "deny"] | None, stricter("allow", "deny")] = None
    """Whether it may ship when there is no scan, or it could not be finished."""
    max_age: Annotated[Some | None, LEAST] = None
    """How old a scan may be: vulnerabilities become known after the build."""
    revoke: Annotated[terms.Revoking | None, stricter("never", "malware", "threshold")] = None
    """What became known after the scan, found by the nightly look at what serves, that revokes a release."""
    licences: Licences | None = None
    """Licences of dependencies."""


def _opens(value: str) -> str:
    windows.spans([kinds.printable(value)])
    return value


def _a_time(value: str) -> str:
    windows.instant(kinds.printable(value), "UTC", last=False)
    return value


Line = Annotated[str, Field(max_length=60), AfterValidator(_opens)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_a_time)]


class Windows(Said):
    """When releases may happen, by the week."""

    tz: Zone
    """The time zone whose clock is read, like Europe/Berlin."""
    allow: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]
    """Parts of the week, like `Mon-Thu 08:00-16:00` or `Sat,Sun 22:00-02:00` (which ends on the next day)."""

    def term(self) -> windows.Window:
        return windows.Window(self.tz, windows.spans(self.allow))


class Freeze(Said):
    """A time without releases."""

    from_: Annotated[Time, Field(alias="from")]
    """Its beginning, like `2026-12-20T00:00`: on the clock of `windows.tz`, else UTC, unless an offset is written."""
    to: Time
    """Its end; not part of it any more."""
    reason: Annotated[str, Field(max_length=200), AfterValidator(kinds.printable)] = ""
    """What people are told."""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if windows.instant(self.to, "UTC", last=True) <= windows.instant(self.from_, "UTC", last=False):
            raise ValueError(f'"to" ({self.to}) has to be later than "from" ({self.from_})')
        return self

    def term(self, owner: Stage) -> windows.Freeze:
        zone = owner.windows.tz if owner.windows else "UTC"
        start = windows.instant(self.from_, zone, last=False)
        return windows.Freeze(start, windows.instant(self.to, zone, last=True), self.reason)


def _path(value: str) -> str:
    if not value.startswith("/") or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{kinds.told(value)} is no path: it begins with / and has no spaces")
    return value


class Health(Said):
    """How a release is watched, and when it counts as good or bad."""

    path: Annotated[Annotated[str, Field(max_length=200), AfterValidator(_path)] | None, NEAREST] = None
    """The path that is asked."""
    expect: Annotated[Annotated[int, Field(ge=100, le=599)] | None, NEAREST] = None
    """The HTTP status that is good; not said: any below 500."""
    interval: Annotated[Some | None, LEAST] = None
    """Time between two looks."""
    timeout: Annotated[Some | None, LEAST] = None
    """How long one look may take."""
    warmup: Annotated[Span | None, LEAST] = None
    """Time after the switch in which failing looks do not count."""
    window: Annotated[Some | None, MOST] = None
    """How long it is watched before it is verified."""
    fail_after: Annotated[Small | None, LEAST] = None
    """Failing looks in a row that make it a failure."""
    min_samples: Annotated[Small | None, MOST] = None
    """Looks that must have measured something before it is verified."""
    no_data: Annotated[Literal["inconclusive", "failed"] | None, stricter("inconclusive", "failed")] = None
    """What it is when nothing could be measured."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.window and self.interval and self.min_samples and self.window < self.interval * (self.min_samples - 1):
            fits = f"{self.min_samples} looks, {kinds.span(self.interval)} apart, do not fit in"
            raise ValueError(f"{fits} a window of {kinds.span(self.window)}")
        if self.window and self.warmup and self.warmup >= self.window:
            raise ValueError("the warmup is as long as the window: nothing would ever be watched")
        return self


class AutoRollback(Said):
    """What is rolled back without anybody asking."""

    on: Annotated[
        Annotated[tuple[Literal["failed", "inconclusive"], ...], Field(max_length=2)] | None,
        UNION,
    ] = None
    """The verdicts that lead to it; an empty list: none does."""
    errors: Annotated[Literal["ignore", "hold"] | None, stricter("ignore", "hold")] = None
    """What happens when a release could not be measured; it is never taken for a failure."""
    max_age: Annotated[Some | None, LEAST] = None
    """Failures later than this after the release are left to people."""
    to: Annotated[Literal["last_verified"] | None, NEAREST] = None
    """Where to: always the last verified release."""
    hold: Annotated[bool | None, EITHER] = None
    """Whether promotions stop afterwards until somebody lifts it."""
    max_per_hour: Annotated[Small | None, LEAST] = None
    """How many there may be in an hour; then people are called."""
    migrations: Annotated[
        Literal["allow", "block_destructive"] | None,
        stricter("allow", "block_destructive"),
    ] = None
    """Whether to go back over a migration that destroyed data."""


class Retention(Said):
    """What is kept to go back to."""

    verified: Annotated[Annotated[int, Field(ge=1, le=100)] | None, MOST] = None
    """Verified releases whose artifacts are never removed."""


def _https(value: object) -> str:
    parts = urlsplit(value) if isinstance(value, str) and len(value) <= 500 and value.isprintable() else None
    if parts is None or parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
        raise ValueError(f"{kinds.told(value)} is no address: it begins with https:// and carries no password")
    return str(value)


class ExtraCheck(Said):
    """A decision made elsewhere: `check` or `webhook`."""

    check: Check | None = None
    """A check run that must have succeeded at the head."""
    webhook: Annotated[Annotated[str, BeforeValidator(_https)] | None, Field(json_schema_extra={"format": "uri"})] = (
        None
    )
    """An https address that is asked, signed with the app's secret; anything but a clear yes denies."""
    timeout: Some | None = None
    """How long its answer may take, 10s at most; 3s when not said."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.check is None) == (self.webhook is None):
            raise ValueError('say either "check" or "webhook"')
        if self.timeout is not None and (self.webhook is None or self.timeout > 10):
            raise ValueError('"timeout" is for a webhook, and 10s at most')
        return self

    def term(self) -> terms.ExtraCheck:
        check = self.check.term() if self.check else None
        return terms.ExtraCheck(check, self.webhook, self.timeout or 3)


class Stage(Said):
    """An environment that artifacts are promoted to."""

    promote_from: Annotated[
        Annotated[tuple[EnvironmentName, ...], Field(min_length=1, max_length=10)] | None, IN_EVERY
    ] = None
    """Where the very artifact must have been before: in one of these; beside `preview`, verified there."""
    deployers: Annotated[Principals | None, IN_EVERY] = None
    """Who may promote, roll back and hold.  Write permission is needed beside it, at that moment."""
    author_may_promote: Annotated[bool | None, EVERY] = None
    """Whether whoever opened a pull request may promote it."""
    approvals: Approvals | None = None
    """Who has to agree before it ships."""
    checks: Annotated[Annotated[tuple[Check, ...], Field(max_length=MANY)] | None, UNION] = None
    """Check runs that must be there and have succeeded at the head."""
    other_checks: Annotated[Literal["ignored", "required"] | None, stricter("ignored", "required")] = None
    """Whether every other check at the head must have succeeded, too."""
    scan: Scan | None = None
    """What a scan may have found."""
    soak: Annotated[Span | None, MOST] = None
    """How long the artifact must have run before where it came from."""
    windows: Annotated[Windows | None, WINDOWS] = None
    """When releases may happen, by the week."""
    freezes: Annotated[Annotated[tuple[Freeze, ...], Field(max_length=MANY)] | None, FREEZES] = None
    """Times without releases.  Rollbacks go on."""
    health: Health | None = None
    """How a release is watched, and when it counts as good or bad."""
    auto_rollback: AutoRollback | None = None
    """What is rolled back without anybody asking."""
    retention: Retention | None = None
    """What is kept to go back to."""
    confirm: Annotated[terms.Confirm | None, stricter("none", "comment", "web")] = None
    """Whether whoever promotes is asked once more: by a comment, or in the browser with a fresh login."""
    extra_checks: Annotated[Annotated[tuple[ExtraCheck, ...], Field(max_length=20)] | None, UNION] = None
    """Decisions made elsewhere that must be a yes."""
