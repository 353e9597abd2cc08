"""The pages that people see: what this is, and how one deployment went.

The first is public and names no project.  A deployment's id can't be guessed, so its page is for who has the link.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlmodel import Session, select

import bot
from bot.models import Deployment, Project, Route, State, Work
from bot.settings import Settings
from bot.store import Store, rows, scans
from runners.base.logs import end_of

_TEMPLATES = Path(__file__).parent / "templates"
_LOG_END = 16 * 1024  # bytes of the log on the page
_LOG_MOST = 4 * 1024 * 1024  # bytes of the log by itself
_NOT_PRINTED = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")  # colours, cursor movements
_PLAN_LINES = (
    *("language", "framework", "kind", "package_manager", "version", "root", "entry", "static_dir"),
    *("install", "build", "start", "health"),
)
_NO_STORE = {"Cache-Control": "no-store"}
_CYCLONEDX = "application/vnd.cyclonedx+json; version=1.5"


@dataclass(frozen=True, slots=True)
class Seen:
    """A deployment as its page shows it."""

    deployment: Deployment
    project: str
    hosts: list[str]
    sbom: bool  # there is one to download


class Pages:
    """Renders pages from the database."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._logs = settings.home.absolute() / "logs"
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["clock"] = _clock
        self._style = (_TEMPLATES / "style.css").read_text()

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self.front)
        router.add_get("/style.css", self.style)
        router.add_get("/deployments/{id:[0-9a-f]{16}}", self.deployment)
        router.add_get("/deployments/{id:[0-9a-f]{16}}/log", self.log)
        router.add_get("/deployments/{id:[0-9a-f]{16}}/sbom.json", self.sbom)

    async def front(self, _request: web.Request) -> web.Response:
        """What runs here, in numbers."""
        projects, states, work = await self._store.read(_numbers)
        live = sum(states[state] for state in (State.LIVE, State.ASLEEP))
        shown = {
            "version": bot.__version__,
            "projects": projects,
            "live": live,
            "asleep": states[State.ASLEEP],
            "working": work[Work.QUEUED] + work[Work.RUNNING],
        }
        return self._page("front.html", **shown)

    async def style(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def deployment(self, request: web.Request) -> web.Response:
        """How it went, for people or (`?format=json`, or an Accept header) for programs."""
        seen = await self._store.read(_seen, request.match_info["id"])
        if seen is None:
            raise web.HTTPNotFound(text="There is no such deployment.\n")
        log = await self._log_end(seen.deployment.id, _LOG_END)
        if _wants_json(request):
            return web.json_response(self._as_json(seen, log), headers=_NO_STORE)
        return self._page("deployment.html", **self._shown(seen, log))

    async def log(self, request: web.Request) -> web.Response:
        """The whole log as text."""
        seen = await self._store.read(_seen, request.match_info["id"])
        if seen is None:
            raise web.HTTPNotFound(text="There is no such deployment.\n")
        return web.Response(text=await self._log_end(seen.deployment.id, _LOG_MOST), headers=_NO_STORE)

    async def sbom(self, request: web.Request) -> web.Response:
        """What its commit depends on, as the scan of it listed it."""
        deployment = request.match_info["id"]
        seen = await self._store.read(_seen, deployment)
        if seen is None:
            raise web.HTTPNotFound(text="There is no such deployment.\n")
        key = _scanned(seen.deployment)
        listed = await self._store.read(scans.sbom, key) if key is not None else None
        if listed is None:
            raise web.HTTPNotFound(text="There is no list of its dependencies: no scan of its commit has ended well.\n")
        name = f'attachment; filename="sbom-{deployment}.json"'
        headers = {**_NO_STORE, "Content-Type": _CYCLONEDX, "Content-Disposition": name}
        return web.Response(body=listed, headers=headers)

    async def _log_end(self, deployment: str, most: int) -> str:
        text = await asyncio.to_thread(end_of, self._logs / f"{deployment}.log", most)
        return _NOT_PRINTED.sub("", text)

    def _page(self, name: str, **shown: Any) -> web.Response:
        text = self._templates.get_template(name).render(shown)
        return web.Response(text=text, content_type="text/html", headers=_NO_STORE)

    def _shown(self, seen: Seen, log: str) -> dict[str, Any]:
        deployment, plan = seen.deployment, seen.deployment.plan or {}
        why = plan.get("why") or {}
        return {
            "deployment": deployment,
            "project": seen.project,
            "addresses": self._addresses(seen),
            "working": deployment.state.working,
            "plan": [(name, _plain(plan[name]), why.get(name, "")) for name in _PLAN_LINES if plan.get(name)],
            "failure": deployment.failure or {},
            "sbom": seen.sbom,
            "log": log,
        }

    def _as_json(self, seen: Seen, log: str) -> dict[str, Any]:
        deployment = seen.deployment
        same = ("id", "environment", "number", "sha", "tree", "artifact", "runner", "reused", "plan", "failure")
        return {
            **{name: getattr(deployment, name) for name in same},
            "state": deployment.state.value,
            "project": seen.project,
            "addresses": self._addresses(seen),
            "timeline": [{"at": at, "words": words} for at, words in deployment.timeline],
            "received_at": deployment.received_at,
            "live_at": deployment.live_at,
            "ended_at": deployment.ended_at,
            "log": log,
        }

    def _addresses(self, seen: Seen) -> list[str]:
        below = f".{self._settings.preview_domain}"
        return [self._settings.preview_url(host.removesuffix(below)) for host in seen.hosts if host.endswith(below)]


def _numbers(session: Session) -> tuple[int, dict[State, int], dict[Work, int]]:
    return rows.projects(session), rows.deployments_by_state(session), rows.work_by_state(session)


def _seen(session: Session, deployment: str) -> Seen | None:
    row = session.get(Deployment, deployment)
    if row is None:
        return None
    project = session.get(Project, row.project_id)
    routes = session.exec(select(Route).where(Route.deployment == deployment)).all()
    hosts = sorted(route.host for route in routes if route.target is not None)
    key = _scanned(row)
    sbom = key is not None and scans.has_sbom(session, key)
    return Seen(row, project.full_name if project else "", hosts, sbom)


def _scanned(row: Deployment) -> scans.Key | None:
    """Where the scan of its commit is kept."""
    return (row.project_id, row.number, row.sha) if row.number is not None else None


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    return request.query.get("format") == "json" or ("application/json" in accept and "text/html" not in accept)


def _plain(value: object) -> str:
    return " && ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
