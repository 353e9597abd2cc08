"""Images: the bases that directories run on, and those that a project's own Dockerfile makes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Source, Unavailable
from runners.base.folders import artifact_key
from runners.docker.bases import name_of, setting_of
from runners.docker.dockerfile import DockerfileBuild
from runners.docker.engine import HOME, MANAGED, Engine, Refused
from runners.docker.flights import Flights

KEY = "slipway.key"  # label: what an image was made of
_ROOM = Limits(memory=1024 * 1024 * 1024)  # for installing packages
_PULL = 120.0  # seconds that looking for a backend may wait for an image
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian's names
_ADDS = (
    "FROM {}\nUSER root\nRUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes"
    " --no-install-recommends {} && rm -rf /var/lib/apt/lists/*\n"
)


class Images:
    """Base images by language, pulled when they are missing; Dockerfile builds, kept by what they are made of."""

    def __init__(self, engine: Engine, images: Mapping[str, str]) -> None:
        self._engine, self._images = engine, images
        self._flights: Flights[str] = Flights()

    async def any_base(self) -> None:
        """Have one at least.  Raises Unavailable when none is here and none can be pulled."""
        plans = (Plan(language=language, kind="server") for language in ("python", "node"))
        names = [name for plan in plans if (name := name_of(plan, self._images))]
        for name in names:
            if await self._id(name):
                return
        try:
            async with asyncio.timeout(_PULL):
                await self._pull(names[0])
        except (Refused, TimeoutError) as error:
            raise Unavailable(f"the base image {names[0]} can't be pulled: {error or 'it takes too long'}") from error

    async def base_id(self, plan: Plan, log: Log) -> str:
        """The id of the image that a plan runs on, with its system packages; pulled or made when it is missing.

        Raises BuildFailed."""
        base = await self._base(plan, log)
        if not plan.system_packages:
            return base
        packages = sorted(set(plan.system_packages))
        key = hashlib.sha256(json.dumps([base, packages]).encode()).hexdigest()[:32]

        async def add(log: Log) -> str:
            return await self._with_packages(base, packages, key, log)

        found = await self._find(key)
        return str(found["Id"]) if found else await self._flights.join(key, add, log)

    async def _with_packages(self, base: str, packages: Sequence[str], key: str, log: Log) -> str:
        """The base with these packages of Debian's; it is kept for whoever needs the same."""
        wrong = [name for name in packages if not _PACKAGE.fullmatch(name)]
        hint = "Add a Dockerfile that installs what it needs, builds and starts it."
        if wrong:
            raise BuildFailed(f"{wrong[0]!r} is no name of a system package.", step="install", hint=hint)
        log.write(f"Installing system packages: {', '.join(packages)}.\n")
        with tempfile.TemporaryDirectory() as folder:
            await self._engine.thread(Path(folder, "Dockerfile").write_text, _ADDS.format(base, " ".join(packages)))
            source = Source(Path(folder), key, Plan(language="docker", kind="server", entry="Dockerfile"), "system")
            try:
                return str((await self._build(source, key, _ROOM, log))["Id"])
            except BuildFailed as failed:
                told = f"The system packages {', '.join(packages)} can't be installed: {failed}"
                raise BuildFailed(told, step="install", hint=hint) from failed

    async def _base(self, plan: Plan, log: Log) -> str:
        name = name_of(plan, self._images)
        if name is None:
            raise BuildFailed(
                f"This project is written in {plan.language}, which has no base image here.",
                step="build",
                hint=f"Add a Dockerfile that builds and starts it, or set {setting_of(plan)}.",
            )
        if found := await self._id(name):
            return found
        log.write(f"Pulling {name}.\n")
        try:
            return await self._pull(name)
        except Refused as refused:
            raise BuildFailed(
                f"The base image {name} can't be pulled: {refused}",
                step="build",
                hint=f"Check that this version exists, or set {setting_of(plan)}.",
            ) from refused

    async def _id(self, name: str) -> str | None:
        try:
            return str((await self._engine.call("inspect_image", name))["Id"])
        except Refused as refused:
            if refused.status != 404:
                raise
        return None

    async def _pull(self, name: str) -> str:
        await self._engine.stream(self._engine.ask, "pull", name)
        return str((await self._engine.call("inspect_image", name))["Id"])

    async def make(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """Build the project's own Dockerfile; the same tree and plan are built once."""
        key = artifact_key(source, None)
        found = await self._find(key) or await self._build(source, key, limits, log)
        ports = found["Config"].get("ExposedPorts") or {}
        plan = source.plan
        exposed = sorted(int(port.partition("/")[0]) for port in ports if port.endswith("/tcp"))
        raw = {**plan.as_json(), "port": plan.port or (exposed[0] if exposed else None)}
        digest = hashlib.sha256(json.dumps([key, found["Id"]]).encode()).hexdigest()
        return Artifact(digest=f"sha256:{digest}", kind="image", plan=raw, scope=source.scope, image=found["Id"])

    async def forget(self, image: str) -> None:
        """Remove an image of ours that nothing uses."""
        try:
            found = await self._engine.call("inspect_image", image)
            if self._engine.ours(found["Config"].get("Labels")):
                await self._engine.call("remove_image", image, force=True)
        except Refused as refused:
            if refused.status not in (404, 409):  # gone already; still in use
                raise

    async def _find(self, key: str) -> dict[str, Any] | None:
        """By its name, which only we give: the stages of anybody's Dockerfile may carry our labels."""
        try:
            found: dict[str, Any] = await self._engine.call("inspect_image", self._name(key))
        except Refused as refused:
            if refused.status != 404:
                raise
            return None
        return found if (found["Config"].get("Labels") or {}).get(KEY) == key else None

    def _name(self, key: str) -> str:
        """Nobody can have it pulled: there is no such registry."""
        return f"slipway.invalid/{self._engine.prefix.lower()}/{key}"

    async def _build(self, source: Source, key: str, limits: Limits, log: Log) -> dict[str, Any]:
        labels = {MANAGED: "true", HOME: self._engine.home_id, KEY: key}
        dockerfile = DockerfileBuild(self._engine, source, self._name(key), labels, limits, log)
        image = await dockerfile.run()
        found: dict[str, Any] = await self._engine.call("inspect_image", image)
        return found
