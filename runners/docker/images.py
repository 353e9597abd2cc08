"""Images: the bases that directories run on, and those that a project's own Dockerfile makes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Source, Unavailable
from runners.base.folders import artifact_key
from runners.docker.dockerfile import DockerfileBuild
from runners.docker.engine import HOME, MANAGED, Engine, Refused

KEY = "slipway.key"  # label: what an image was made of
PYTHON, NODE = "3.13", "22"  # when the project does not say
RUNS = frozenset({"python", "node", "static", "procfile"})  # what the base images are for
_PULL = 120.0  # seconds that looking for a backend may wait for an image
_VERSION = re.compile(r"\d+(\.\d+){0,2}")


class Images:
    """Base images by language, pulled when they are missing; Dockerfile builds, kept by what they are made of."""

    def __init__(self, engine: Engine, images: Mapping[str, str]) -> None:
        self._engine, self._images = engine, images

    def base(self, plan: Plan) -> str:
        """The name of the image a plan runs on."""
        asked = plan.version if plan.version and _VERSION.fullmatch(plan.version) else None
        if plan.language == "node":
            return self._images.get("node") or f"node:{asked or NODE}-slim"
        return self._images.get("python") or f"python:{asked if plan.language == 'python' and asked else PYTHON}-slim"

    async def any_base(self) -> None:
        """Have one at least.  Raises Unavailable when none is here and none can be pulled."""
        names = [self.base(Plan(language=language, kind="server")) for language in ("python", "node")]
        for name in names:
            if await self._id(name):
                return
        try:
            async with asyncio.timeout(_PULL):
                await self._pull(names[0])
        except (Refused, TimeoutError) as error:
            raise Unavailable(f"the base image {names[0]} can't be pulled: {error or 'it takes too long'}") from error

    async def base_id(self, plan: Plan, log: Log) -> str:
        """The id of the image that a plan runs on, pulled when it is missing.  Raises BuildFailed."""
        if plan.language not in RUNS:
            raise BuildFailed(
                f"This project is written in {plan.language}, which has no base image here.",
                step="build",
                hint="Add a Dockerfile that builds and starts it.",
            )
        name = self.base(plan)
        if found := await self._id(name):
            return found
        log.write(f"Pulling {name}.\n")
        try:
            return await self._pull(name)
        except Refused as refused:
            raise BuildFailed(
                f"The base image {name} can't be pulled: {refused}",
                step="build",
                hint="Check that this version exists, or set SLIPWAY_IMAGE_PYTHON or SLIPWAY_IMAGE_NODE.",
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
        ours = [f"{MANAGED}=true", f"{HOME}={self._engine.home_id}", f"{KEY}={key}"]
        for image in await self._engine.call("images", filters={"label": ours}):
            found: dict[str, Any] = await self._engine.call("inspect_image", image["Id"])
            return found
        return None

    async def _build(self, source: Source, key: str, limits: Limits, log: Log) -> dict[str, Any]:
        labels = {MANAGED: "true", HOME: self._engine.home_id, KEY: key}
        dockerfile = DockerfileBuild(self._engine, source, labels, limits, log)
        image = await dockerfile.run()
        found: dict[str, Any] = await self._engine.call("inspect_image", image)
        return found
