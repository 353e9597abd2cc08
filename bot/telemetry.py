"""What we say about ourselves: log lines without secrets, and metrics."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

DELIVERIES = Counter(
    "slipway_deliveries",
    "Deliveries, by what became of them: accepted, seen, done, ...",
    ["event", "state"],
    registry=REGISTRY,
)
ACCEPTING = Histogram(
    "slipway_webhook_seconds",
    "From the first byte of a delivery to its commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
QUEUE = Gauge("slipway_queue", "Deliveries that wait or run now.", ["state"], registry=REGISTRY)
DEPLOYMENTS = Gauge("slipway_deployments", "Deployments, by where they stand.", ["state"], registry=REGISTRY)
BUILDS = Histogram(
    "slipway_build_seconds",
    "Builds, by how they ended: built, reused, failed.",
    ["result"],
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
    registry=REGISTRY,
)

_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), "***"),
    (re.compile(r"(?:gh[a-z]|github_pat)_[A-Za-z0-9._-]{20,}"), "***"),  # installation tokens are 40 or ~520 long
    (re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"), "***"),  # a JSON Web Token
    (re.compile(r"(://)[^/\s@\"'<>]+@"), r"\1***@"),
    (
        re.compile(r"(authorization\W{1,6}(?:(?:bearer|basic|token)\s+)?)[^\s\"',]+", re.IGNORECASE),
        r"\1***",
    ),
    (re.compile(r"\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE), r"\1***"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_SHORTEST = 6  # characters: a shorter secret would blot out ordinary words
_hidden: set[str] = set()
_exact: list[re.Pattern[str]] = []  # the one that finds all of them


def hide(values: Iterable[str]) -> None:
    """From now on these texts are blotted out, line by line, wherever `redact` looks."""
    lines = {line for value in values for one in value.splitlines() if len(line := one.strip()) >= _SHORTEST}
    if lines <= _hidden:
        return
    _hidden.update(lines)
    longest_first = sorted(_hidden, key=lambda line: (-len(line), line))
    _exact[:] = [re.compile("|".join(map(re.escape, longest_first)))]


def redact(text: str) -> str:
    """The text without what looks like a token, a key or a password in an address, and without what is hidden."""
    for exact in _exact:
        text = exact.sub("***", text)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Log to standard error, a line per record: for people on a terminal, as JSON elsewhere."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_ForPeople() if handler.stream.isatty() else _ForMachines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "aiohttp.access", "alembic", "urllib3", "docker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _extra(record).items())
        line = _on_one_line(f"{record.getMessage()}{fields}")
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return redact(
            f"{clock} {record.levelname.lower():7} {record.name}: {line}{_CONTROL_BUT_NEWLINE.sub('�', trace)}"
        )


class _ForMachines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps({name: redact(str(value)) for name, value in fields.items()})


_CONTROL_BUT_NEWLINE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """What the call gave as `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


def _on_one_line(text: str) -> str:
    """No line of a log is written by what it is about."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
