"""Is `slipway/gate` what GitHub asks before it merges, and from whom?  A name alone anybody may report."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from sqlmodel import Session, col, select

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import GitHub, Repository
from bot.messages.gate import GATE
from bot.models import Project
from bot.store import Store

AT_ONCE = 8  # projects that are asked about side by side
Requires = Literal["ours", "anybody", "another", "none", "unseen", "unknown"]


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """What one project's default branch asks for.  `unseen`: it is protected in a way that we may not look at."""

    project: str
    requires: Requires
    words: str


async def look(store: Store, github: GitHub, server: str) -> list[Looked]:
    """Every project that is served.  `server`: where people open GitHub.  Raises what `GitHub.app` raises."""
    projects = await store.read(_served)
    if not projects:
        return []
    app = await github.app()
    number, name = await github.app_id(), str(app.get("name") or app.get("slug"))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(project: Project) -> Looked:
        repository = github.repository(project.installation_id, project.id, project.full_name)
        async with places:
            try:
                requires, more = await _asked(repository, project.default_branch, number)
            except (GitHubDown, GitHubRefused, TryLater) as error:
                requires, more = "unknown", str(error)
        return Looked(project.full_name, requires, _words(requires, more, project, name, number, server))

    return list(await asyncio.gather(*map(one, projects)))


def _served(session: Session) -> Sequence[Project]:
    query = select(Project).where(Project.state == "active")
    return session.exec(query.order_by(col(Project.owner), col(Project.name))).all()


async def _asked(repository: Repository, branch: str, app: int) -> tuple[Requires, str]:
    """From whom the gate is required; where that stands, or what could not be seen."""
    found = [*_of_rules(await repository.branch_rules(branch))]
    raw = await repository.branch(branch)
    protection = _map(raw.get("protection"))
    found += _of_protection(protection)
    if any(number == app for number, _where in found):  # one that is met by us only is enough: all have to be met
        return "ours", next(where for number, where in found if number == app)
    if found:
        number, where = found[0]
        return ("anybody" if number is None else "another"), where if number is None else f"app {number}, in {where}"
    hidden = bool(raw.get("protected")) and "required_status_checks" not in protection
    return ("unseen" if hidden else "none"), ""


def _of_rules(rules: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int | None, str]]:
    """The app that a ruleset wants the gate from (None: any), and which ruleset."""
    for rule in rules:
        if rule.get("type") != "required_status_checks":
            continue
        where = f"ruleset {rule.get('ruleset_id')} of {rule.get('ruleset_source')}"
        for check in _maps(_map(rule.get("parameters")).get("required_status_checks")):
            if check.get("context") == GATE:
                yield _app(check.get("integration_id")), where


def _of_protection(protection: Mapping[str, Any]) -> Iterator[tuple[int | None, str]]:
    said = _map(protection.get("required_status_checks"))
    checks = [one for one in _maps(said.get("checks")) if one.get("context") == GATE]
    contexts = said.get("contexts")
    if not checks and isinstance(contexts, list) and GATE in contexts:
        yield None, "the branch protection rule"
    for check in checks:
        yield _app(check.get("app_id")), "the branch protection rule"


def _app(number: object) -> int | None:
    """GitHub says -1, or nothing, for any app."""
    return number if isinstance(number, int) and number > 0 else None


def _words(requires: Requires, more: str, project: Project, name: str, app: int, server: str) -> str:
    branch = project.default_branch
    page = f"{server.rstrip('/')}/{project.full_name}/settings/rules"
    choose = f"`{GATE}` and, as its source, {name} (app {app}) instead of *any source*"
    seven = "GitHub offers a check only where it ran within the last seven days: open a pull request first."
    add = (
        f"{page} → New branch ruleset → Enforcement: Active → Target: Default → Require status checks to pass → "
        f"Add checks: {choose}. {seven}"
    )
    match requires:
        case "ours":
            return f"required on {branch} from app {app}, in {more}."
        case "anybody":
            return (
                f"required on {branch}, but from anybody, in {more}: whoever may push can report a check of that name. "
                f"{page} → that rule → Require status checks: remove it and add {choose}. {seven}"
            )
        case "another":
            return (
                f"required on {branch} from {more}, which is not this Slipway (app {app}): nothing can be merged. "
                f"{page} → that rule → Require status checks: remove it and add {choose}. {seven}"
            )
        case "none":
            return f"not required on {branch}: pull requests are merged without it. To require it: {add}"
        case "unseen":
            return (
                f"no ruleset requires it on {branch}. The branch is protected in the older way too, which can't be "
                "seen without the permission `administration`, and Slipway does not ask for that: see "
                f"{page.removesuffix('rules')}branches. Better a ruleset: {add}"
            )
    return f"GitHub does not say what {branch} requires: {more}"


def _map(raw: object) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def _maps(raw: object) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in (raw if isinstance(raw, list) else []) if isinstance(one, Mapping))
