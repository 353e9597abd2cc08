"""The kinds of value a policy is written with: spans of time, money, sizes, who, where.  Each refuses with words."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

MICRO = 1_000_000  # of a unit of the currency: money is counted in whole ones
LONGEST = 366 * 86_400  # seconds that a span may have
RICHEST = 1_000_000_000  # units of a currency
ROLES = ("read", "triage", "write", "maintain", "admin")  # GitHub's, the least first

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}
_SPAN = re.compile(r"([0-9]{1,8})([smhd])")
_SIZE = re.compile(r"([0-9]{1,6})(Ki|Mi|Gi|Ti)")
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
_TEAM = re.compile(r"team:[a-z0-9](?:[a-z0-9-]{0,38})/[a-z0-9_-]{1,100}")
_USER = re.compile(r"user:[1-9][0-9]{0,14}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,30}")
_SLUG = re.compile(r"[a-z0-9_-]{1,100}")
_SCOPE = re.compile(r"project|organization|(?:team|agent|pr):\*|team:[a-z0-9_-]{1,100}|agent:[1-9][0-9]{0,14}")
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_SCANNER = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_GUESSED = {"prod": "production", "live": "production", "stage": "staging", "stg": "staging"}


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """How a value of this kind is told to people."""

    say: Callable[[Any], str]


def seconds(value: object) -> int:
    """Seconds of `90s`, `15m`, `24h`, `7d`.  Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"say the unit of {value}: 90s, 15m, 24h or 7d")
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{told(value)} is no span of time: write 90s, 15m, 24h or 7d")
    span = int(found[1]) * _SECONDS[found[2]]
    if span > LONGEST:
        raise ValueError(f"{told(value)} is longer than a year")
    return span


def span(value: int) -> str:
    """Seconds as they are written: the largest unit that fits without a rest."""
    for unit in ("d", "h", "m"):
        if value and value % _SECONDS[unit] == 0:
            return f"{value // _SECONDS[unit]}{unit}"
    return f"{value}s"


def _some(value: object) -> int:
    found = seconds(value)
    if not found:
        raise ValueError("0s is no span of time here: it has to be longer than nothing")
    return found


def micro(value: object) -> int:
    """Millionths of a unit of money, from a number or its text.  Raises ValueError."""
    text = str(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else ""
    if isinstance(value, Decimal):
        text = format(value, "f")
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{told(value)} is no amount of money: write 50 or 0.25, six decimals at most")
    found = int(Decimal(text) * MICRO)
    if found > RICHEST * MICRO:
        raise ValueError(f"{told(value)} is more than {RICHEST:,}: nothing would ever be stopped")
    return found


def amount(value: int) -> str:
    """Millionths as people write money."""
    whole, rest = divmod(value, MICRO)
    return f"{whole}.{f'{rest:06d}'.rstrip('0').ljust(2, '0')}" if rest else str(whole)


def size(value: object) -> int:
    """Bytes of `512Mi`, `1Gi`.  Raises ValueError."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not int(found[1]):
        raise ValueError(f"{told(value)} is no size: write 512Mi or 1Gi")
    return int(found[1]) * _BYTES[found[2]]


def sized(value: int) -> str:
    for unit in ("Ti", "Gi", "Mi"):
        if value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value // 1024}Ki"


def _cores(value: object) -> float:
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not number or not 0 < float(str(value)) <= 256:
        raise ValueError(f"{told(value)} is no number of cores: write 1 or 0.5")
    return float(str(value))


def principal(value: object) -> str:
    """`team:org/slug`, `user:<number>` or `role:<name>`, in lower case.  Raises ValueError."""
    text = value.lower() if isinstance(value, str) else ""
    if text.startswith("role:"):
        role = text.removeprefix("role:")
        if role in ROLES[2:]:
            return text
        raise ValueError(f"{told(value)} is no role that may be named here: role:write, role:maintain or role:admin")
    if _TEAM.fullmatch(text) or _USER.fullmatch(text):
        return text
    if text.startswith("team:"):
        raise ValueError(f"{told(value)} is no team: write team:organization/slug")
    login = text.removeprefix("user:").removeprefix("@")
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,38}", login):
        ask = f"https://api.github.com/users/{login} shows it as id"
        raise ValueError(f"{told(value)} is a login, and logins change hands: write user:<number>; {ask}")
    raise ValueError(f"{told(value)} names nobody: write team:organization/slug, user:<number> or role:maintain")


def zone(value: object) -> str:
    """The name of a time zone that this machine knows.  Raises ValueError."""
    text = value if isinstance(value, str) and len(value) <= 64 and _ZONE.fullmatch(value) else ""
    # What "localtime" is depends on the machine; right/ counts leap seconds, which no calendar does.
    first = text.partition("/")[0]
    if text and first not in ("localtime", "posix", "posixrules", "right", "Factory"):
        try:
            zoneinfo.ZoneInfo(text)
            return text
        except (KeyError, ValueError, OSError):
            pass
    near = difflib.get_close_matches(text, _zones(), 1, 0.7) if text else []
    meant = f"did you mean {near[0]}?" if near else "write one like Europe/Berlin or UTC"
    raise ValueError(f"{told(value)} is no time zone that I know: {meant}")


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def environment(value: object) -> str:
    """The name of an environment.  One that only looks like a known one is a slip that would protect nothing."""
    if not isinstance(value, str) or not _ENVIRONMENT.fullmatch(value):
        raise ValueError(f"{told(value)} is no name of an environment: small letters, digits and -, 31 at most")
    known = ("production", "staging", "preview")
    near = _GUESSED.get(value) or next(iter(difflib.get_close_matches(value, known, 1, 0.8)), value)
    if near != value:
        raise ValueError(f'{told(value)} is not known; did you mean "{near}"?')
    return value


def printable(value: str) -> str:
    """The text, when nothing in it is a word to a terminal.  Raises ValueError."""
    if not value.isprintable():
        raise ValueError(f"{told(value)} has signs that can't be printed")
    return value


def _app(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**15
    if value != "self" and not number:
        raise ValueError(f"{told(value)} is no app: write its number (GitHub Actions is 15368), or self")
    return value


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"{told(value)} is no currency: three large letters, like EUR")
    return value


def _pattern(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError(f"{told(value)} is no pattern of paths: write one like infra/**")
    if len(value) > 200:
        raise ValueError(f"a pattern of {len(value)} characters is too long: 200 at most")
    if value.startswith(("/", "!", "./")) or ".." in value.split("/"):
        raise ValueError(f"{told(value)} is no pattern of paths: they begin at the top of the tree, like infra/**")
    if value.count("*") > 20:
        raise ValueError(f"{told(value)} has more than 20 stars")
    return value


def _matches(shape: re.Pattern[str], words: str) -> BeforeValidator:
    def check(value: object) -> str:
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ValueError(f"{told(value)} {words}")
        return value

    return BeforeValidator(check)


def _scope(value: object) -> str:
    """What a limit counts.  `org`, `pull` and a bare `pr`, `team` or `agent` are what people write for them."""
    text = value if isinstance(value, str) else ""
    text = {"org": "organization", "pr": "pr:*", "team": "team:*", "agent": "agent:*"}.get(text, text)
    text = f"pr{text[4:]}" if text.startswith("pull:") else text
    if not _SCOPE.fullmatch(text):
        known = "project, organization, team:<slug>, agent:*, agent:<number> or pr:*"
        raise ValueError(f"{told(value)} is nothing that money is counted for: {known}")
    return text


def told(value: object) -> str:
    """A value from outside as it may stand in a sentence."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, dict | tuple | list):
        return "this mapping" if isinstance(value, dict) else "this list"
    if value is None:
        return "nothing"
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:60])
    return f'"{shown}{"..." if len(text) > 60 else ""}"'


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_SPANS = _text("^[0-9]{1,8}[smhd]$", "90s", "15m", "24h", "7d")
PRINCIPALS = r"^(team:[A-Za-z0-9-]+/[A-Za-z0-9_-]+|user:[1-9][0-9]*|role:(write|maintain|admin))$"

Span = Annotated[int, BeforeValidator(seconds), _SPANS, Shown(span)]
Some = Annotated[int, BeforeValidator(_some), _SPANS, Shown(span)]  # longer than nothing
Money = Annotated[
    int,
    BeforeValidator(micro),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": [50, "0.25"]}),
    Shown(amount),
]
Size = Annotated[int, BeforeValidator(size), _text("^[0-9]{1,6}(Ki|Mi|Gi|Ti)$", "512Mi", "1Gi"), Shown(sized)]
Cores = Annotated[
    float, BeforeValidator(_cores), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 256})
]
Principal = Annotated[
    str, BeforeValidator(principal), _text(PRINCIPALS, "team:acme/leads", "user:583231", "role:maintain")
]
Principals = Annotated[tuple[Principal, ...], Field(max_length=100)]
Zone = Annotated[str, BeforeValidator(zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]})]
EnvironmentName = Annotated[
    str, BeforeValidator(environment), _text("^[a-z][a-z0-9-]{0,30}$", "preview", "staging", "production")
]
Pattern = Annotated[
    str, BeforeValidator(_pattern), WithJsonSchema({"type": "string", "maxLength": 200, "examples": ["infra/**"]})
]
Slug = Annotated[
    str, _matches(_SLUG, "is no team's slug: small letters, digits, - and _"), _text("^[a-z0-9_-]{1,100}$", "web")
]
Scope = Annotated[
    str,
    BeforeValidator(_scope),
    _text(r"^(project|org(anization)?|(team|agent|pr|pull)(:(\*|[a-z0-9_-]+))?)$", "project", "agent:*", "pr:*"),
]
Host = Annotated[
    str, _matches(_HOST, "is no host name: write registry.example.org or *.example.org"), _text("^[a-z0-9.*-]+$")
]
ScannerName = Annotated[
    str,
    _matches(_SCANNER, "is no scanner's name: small letters, digits, and . _ - inside, 40 at most"),
    _text("^[a-z0-9][a-z0-9._-]{0,39}$", "trivy"),
]
Argument = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(printable)]  # of a command line
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]
App = Annotated[
    int | Literal["self"],
    BeforeValidator(_app),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "self"}]}),
]
Currency = Annotated[str, BeforeValidator(_currency), _text("^[A-Z]{3}$", "EUR", "USD")]
Account = Annotated[int, Field(ge=1, le=10**15)]  # a number at GitHub: of an account or of an app
