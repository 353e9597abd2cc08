"""The database of advisories: as small as whoever plays with this GitHub fills it (`hub.advisories`)."""

from __future__ import annotations

from aiohttp import web

from bot.scanners.dependencies.versions import within
from demo.github.records import Json
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Refused

MOST = 1000
LONGEST = 8192  # letters of an address
KINDS = ("reviewed", "malware", "unreviewed")


def advisory(
    ghsa: str,
    ecosystem: str,
    package: str,
    bounds: str,
    *,
    fixed: str | None = None,
    severity: str = "high",
    score: float | None = None,
    summary: str = "",
    kind: str = "reviewed",
) -> Json:
    """One in GitHub's shape, for `hub.advisories`."""
    about = {"package": {"ecosystem": ecosystem, "name": package}, "vulnerable_version_range": bounds}
    return {
        "ghsa_id": ghsa,
        "cve_id": None,
        "url": f"https://api.github.com/advisories/{ghsa}",
        "html_url": f"https://github.com/advisories/{ghsa}",
        "repository_advisory_url": None,
        "summary": summary or f"{package} is at fault",
        "description": summary or None,
        "type": kind,
        "severity": severity,
        "source_code_location": None,
        "identifiers": [{"type": "GHSA", "value": ghsa}],
        "references": [],
        "published_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "github_reviewed_at": "2026-01-02T03:04:05Z",
        "nvd_published_at": None,
        "withdrawn_at": None,
        "vulnerabilities": [{**about, "first_patched_version": fixed, "vulnerable_functions": []}],
        "cvss": {"vector_string": None, "score": score},
        "cvss_severities": {"cvss_v3": {"vector_string": None, "score": score}, "cvss_v4": None},
        "cwes": [],
        "credits": [],
    }


async def list_advisories(ask: Ask) -> web.Response:
    wanted = [one for one in ask.query("affects").split(",") if one]
    ecosystem, kind = ask.query("ecosystem"), ask.query("type") or "reviewed"
    if len(ask.request.rel_url.raw_path_qs) > LONGEST:
        raise Refused(414, "URI Too Long")
    if len(wanted) > MOST or kind not in KINDS:
        raise Refused(422, "Invalid request.")
    rows = [
        one
        for one in ask.hub.advisories
        if one["type"] == kind and any(_hit(about, ecosystem, wanted) for about in one["vulnerabilities"])
    ]
    return answers.many(ask, rows, lambda one: one)


def _hit(about: Json, ecosystem: str, wanted: list[str]) -> bool:
    package = about["package"]
    if ecosystem and package["ecosystem"] != ecosystem:
        return False
    for one in wanted:
        at = one.rfind("@")
        name, version = (one[:at], one[at + 1 :]) if at > 0 else (one, "")
        if name == package["name"] and (
            not version or within(package["ecosystem"], version, about["vulnerable_version_range"])
        ):
            return True
    return not wanted


ROUTES = (("GET", "/advisories", list_advisories),)
