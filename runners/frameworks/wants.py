"""Which environment variables a project reads and nobody sets: names for people, never a reason to fail."""

from __future__ import annotations

import dataclasses
import re

from runners.base import Plan
from runners.frameworks.tree import words
from runners.frameworks.variables import Variables

MOST = 30

_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
# We set these, or the tools that run a project do; or their absence says something already.
_OURS = words(
    "PORT HOST HOSTNAME NODE_ENV CI PATH HOME USER USERNAME LOGNAME SHELL PWD TMPDIR TMP TEMP TZ LANG LC_ALL TERM DEBUG"
    " LOG_LEVEL LOGLEVEL NO_COLOR FORCE_COLOR PYTHONPATH PYTHONUNBUFFERED VIRTUAL_ENV DJANGO_SETTINGS_MODULE FLASK_ENV"
    " FLASK_DEBUG FLASK_APP RAILS_ENV RACK_ENV MIX_ENV APP_ENV RUST_LOG NEXT_RUNTIME NEXT_PHASE ANALYZE MODE DEV PROD"
    " SSR BASE_URL SERVER_SOFTWARE WEB_CONCURRENCY NODE_OPTIONS HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SLIPWAY"
)
_OTHERS = (
    "SLIPWAY_",
    "VERCEL",
    "NETLIFY",
    "RAILWAY_",
    "RENDER",
    "GITHUB_",
    "FLY_",
    "HEROKU_",
    "K_",
    "CF_PAGES",
    "DYNO",
)
# Those of hosts that projects do want, of people's own accounts.
_WANTED = re.compile(r"_(?:TOKEN|KEY|SECRET|CLIENT_ID|CLIENT_SECRET)$")
_PLACEHOLDER = re.compile(
    r"^$|^<.*>$|^\[.*\]$|^\{.*\}$|\.\.\.|…|x{3,}|\*{3}|your|change|replace|placeholder|example|secret|todo|dummy|insert|fill",
    re.IGNORECASE,
)


def listed(plan: Plan, seen: Variables) -> Plan:
    """With the names of what the code reads without a value in its place, or the example file leaves open."""
    told = {each.name for each in seen.reads}
    needed = {each.name for each in seen.reads if each.needed}
    left = {name for name, value in seen.examples.items() if name not in told and _PLACEHOLDER.search(value)}
    given = {*plan.env, *(name for each in plan.backing for name in each.variables)}
    names = sorted(name for name in {*needed, *left, *plan.wants} if name not in given and is_wanted(name))
    return dataclasses.replace(plan, wants=tuple(names[:MOST]))


def is_wanted(name: str) -> bool:
    """Somebody has to set it: we don't, and no host or tool does."""
    if name in _OURS or not _NAME.fullmatch(name) or name.startswith(("SLIPWAY_", "npm_")):
        return False
    return not name.startswith(_OTHERS) or _WANTED.search(name) is not None
