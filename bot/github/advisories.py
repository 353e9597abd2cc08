"""GitHub's database of advisories, the same for everybody: which versions of packages are known to be bad."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from bot.errors import GitHubDown
from bot.github.api import Api
from bot.scanners.dependencies import Advisory, Ecosystem

PAGE = 100
MOST = 1000  # package@version in one request: GitHub's own limit
LONGEST = 4000  # letters of them in an address; GitHub answers 414 to addresses that are too long, somewhere past 8000
TYPES = ("reviewed", "malware")  # GitHub answers one kind at a time
URL = "/advisories{?ecosystem,affects,type,per_page}"
ECOSYSTEMS: tuple[Ecosystem, ...] = ("pip", "npm")


class GlobalAdvisories:
    """Asked with any token of ours; no permission is needed.

    Raises GitHubRefused (404: a GitHub Enterprise Server without them), GitHubDown, TryLater."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, ecosystem: str, packages: Sequence[str]) -> list[Advisory]:
        """Those that affect `packages` ("flask@0.12"); one for each range of versions that an advisory names."""
        found: dict[Advisory, None] = {}
        for batch in batches(packages):
            for kind in TYPES:
                asked = ",".join(batch)
                async for raw in self._api.all(URL, ecosystem=ecosystem, affects=asked, type=kind, per_page=PAGE):
                    found.update(dict.fromkeys(advisories_of(raw)))
        return [one for one in found if one.ecosystem == ecosystem]


def batches(packages: Sequence[str]) -> Iterator[list[str]]:
    """As many at once as an address holds."""
    batch, length = list[str](), 0
    for one in packages:
        size = len(quote(one, safe="")) + len("%2C")
        if batch and (len(batch) >= MOST or length + size > LONGEST):
            yield batch
            batch, length = [], 0
        batch.append(one)
        length += size
    if batch:
        yield batch


def advisories_of(raw: Mapping[str, Any]) -> Iterator[Advisory]:
    """One for each package and range; what was withdrawn is none."""
    number = raw.get("ghsa_id")
    if not isinstance(number, str) or not isinstance(raw.get("vulnerabilities") or [], list):
        raise GitHubDown("GitHub's answer holds an advisory without a number.")
    if raw.get("withdrawn_at"):
        return
    for one in raw.get("vulnerabilities") or []:
        package = one.get("package") if isinstance(one, Mapping) else None
        ecosystem = _ecosystem(package.get("ecosystem")) if isinstance(package, Mapping) else None
        if package is None or ecosystem is None:
            continue
        yield Advisory(
            id=number,
            ecosystem=ecosystem,
            package=_text(package, "name"),
            range=_text(one, "vulnerable_version_range"),
            fixed=_fixed(one.get("first_patched_version")),
            severity=_text(raw, "severity"),
            score=_score(raw),
            summary=_text(raw, "summary"),
            url=_address(raw.get("html_url"), number),
            malware=raw.get("type") == "malware",
            known=_known(raw),
        )


def _text(raw: Mapping[str, Any], field: str) -> str:
    return str(raw.get(field) or "")


def _known(raw: Mapping[str, Any]) -> float | None:
    """Since when it is among the answers: it may be published long before somebody at GitHub has read it."""
    try:
        said = [
            dt.datetime.fromisoformat(raw[name]) for name in ("published_at", "github_reviewed_at") if raw.get(name)
        ]
    except (TypeError, ValueError):
        return None
    return max((one if one.tzinfo else one.replace(tzinfo=dt.UTC)).timestamp() for one in said) if said else None


def _ecosystem(said: object) -> Literal["pip", "npm"] | None:
    return next((one for one in ECOSYSTEMS if one == said), None)


def _fixed(said: object) -> str | None:
    """A version; older servers wrap it."""
    if isinstance(said, Mapping):
        said = said.get("identifier")
    return said if isinstance(said, str) and said else None


def _score(raw: Mapping[str, Any]) -> float | None:
    """CVSS: the newest of those that are given."""
    severities = raw.get("cvss_severities")
    newer = [severities.get(name) for name in ("cvss_v4", "cvss_v3")] if isinstance(severities, Mapping) else []
    for given in (*newer, raw.get("cvss")):
        score = given.get("score") if isinstance(given, Mapping) else None
        if isinstance(score, int | float) and 0 < score <= 10:
            return float(score)
    return None


def _address(said: object, number: str) -> str:
    return said if isinstance(said, str) and said.startswith("https://") else f"https://github.com/advisories/{number}"
