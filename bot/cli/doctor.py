"""Is everything there to serve a real organization?  Each finding says what to do."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from bot.cli import required
from bot.errors import SlipwayError
from bot.github import GitHub
from bot.messages.gate import GATE
from bot.settings import Settings
from bot.store import Store, migrate

CHOICES = ("none", "unseen", "unknown")  # what may well be so


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    words: str
    optional: bool = False
    requires: str | None = None  # of a project: from whom its default branch requires the gate

    def as_json(self) -> dict[str, Any]:
        """Without what does not apply."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}


async def examine(settings: Settings) -> list[Finding]:
    """All there is to look at; nothing is changed but the database's schema."""
    looks: list[Callable[[Settings], Awaitable[Finding]]] = [_identity, _github, _database, _git, _docker, _names]
    return [*[await look(settings) for look in looks], *await _gates(settings)]


async def _identity(settings: Settings) -> Finding:
    try:
        settings.require_github()
    except SlipwayError as error:
        return Finding("settings", False, str(error))
    return Finding("settings", True, f"app {settings.github_app_id}, webhook at {settings.public_url}/webhook")


async def _github(settings: Settings) -> Finding:
    try:
        async with GitHub(settings) as github:
            app = await github.app()
            installations = await github.installations()
    except (SlipwayError, httpx.HTTPError, ValueError) as error:
        return Finding("GitHub", False, f"{error} Check GITHUB_APP_ID, the private key and GITHUB_API_URL.")
    if not installations:
        return Finding("GitHub", False, f"{app.get('slug')} is not installed anywhere yet: {app.get('html_url')}")
    return Finding("GitHub", True, f"{app.get('slug')}, installed {len(installations)} times")


async def _database(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(migrate, settings.database)
        Store.open(settings.database).close()
    except (SlipwayError, OSError) as error:
        return Finding("database", False, str(error))
    return Finding("database", True, settings.database)


async def _gates(settings: Settings) -> list[Finding]:
    """For each project that is served: does GitHub ask for the gate before it merges, and from us?"""
    try:
        settings.require_github()
        store = Store.open(settings.database)
    except (SlipwayError, OSError):
        return []  # told already
    try:
        async with GitHub(settings) as github:
            looked = await required.look(store, github, settings.github_server_url)
    except (SlipwayError, httpx.HTTPError, ValueError):
        return []  # told already
    finally:
        store.close()
    # Previews alone are a choice; a gate that anybody may report, or that nobody can, is none.
    return [
        Finding(f"{one.project}: {GATE}", one.requires == "ours", one.words, one.requires in CHOICES, one.requires)
        for one in looked
    ]


async def _git(_settings: Settings) -> Finding:
    found = shutil.which("git")
    return Finding("git", found is not None, found or "Install git; sources are fetched with it.")


async def _docker(settings: Settings) -> Finding:
    import docker

    def ping() -> str:
        client = docker.from_env(timeout=5)
        try:
            return str(client.version()["Version"])
        finally:
            client.close()

    try:
        version = await asyncio.to_thread(ping)
    except (docker.errors.DockerException, OSError):
        words = "No engine answers: previews run as plain processes, kept apart only a little."
        return Finding("Docker", False, words, optional=settings.runner != "docker")
    return Finding("Docker", True, f"engine {version}")


async def _names(settings: Settings) -> Finding:
    name = f"pr-1--test--test.{settings.preview_domain}"
    if settings.preview_domain == "localhost":
        return Finding("names", True, "*.localhost: browsers find it themselves; other machines can't open previews")
    try:
        await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        words = f"{name} is unknown: point a wildcard record *.{settings.preview_domain} at this machine."
        return Finding("names", False, words)
    return Finding("names", True, f"*.{settings.preview_domain} is known")
