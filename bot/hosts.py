"""The names that previews answer under: one DNS label each, so that one wildcard certificate covers them all."""

from __future__ import annotations

import hashlib
import re

LABEL = 63  # characters at most, RFC 1035 section 2.3.4


def pull_label(number: int, owner: str, name: str) -> str:
    """Follows the pull request: `pr-12--repo--owner`."""
    return _label(f"pr-{number}", owner, name)


def commit_label(sha: str, owner: str, name: str) -> str:
    """That commit, while it lives: `c-1a2b3c4--repo--owner`."""
    return _label(f"c-{sha[:7]}", owner, name)


def environment_label(environment: str, owner: str, name: str) -> str:
    """What is released: `main--repo--owner` for production, `env-staging--repo--owner` for all others."""
    return _label("main" if environment == "production" else f"env-{environment}", owner, name)


def _label(what: str, owner: str, name: str) -> str:
    full = f"{what}--{_plain(name)}--{_plain(owner)}"
    plain = (_plain(name), _plain(owner)) == (name.lower(), owner.lower()) and "--" not in name + "." + owner
    if plain and len(full) <= LABEL:
        return full
    # Cut or changed, two repositories could share a name: a piece of the hash of the true one keeps them apart.
    mark = hashlib.sha256(f"{owner}/{name}".lower().encode()).hexdigest()[:8]
    return f"{full[: LABEL - 9].rstrip('-')}-{mark}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "x"
