"""What a box sees of this machine's disk: folders, and overlays that the engine mounts, so that we need not be root."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from runners.base import Limits, RunnerError
from runners.base.folders import Folders, remove
from runners.docker.box import Box
from runners.docker.engine import HOME, MANAGED, Engine
from runners.docker.follow import Quiet, run

_FORBIDDEN = set(",:\\\"'")  # mean something in the options of an overlay


def bind(source: Path, target: str, *, read_only: bool = True) -> Any:
    """A folder or file of ours inside a box."""
    from docker.types import Mount

    return Mount(target=target, source=str(source), type="bind", read_only=read_only)


@dataclasses.dataclass(frozen=True, slots=True)
class Overlay:
    """Folders seen as one, the first on top, with all that is changed going into `upper`."""

    target: str
    lowers: tuple[Path, ...]
    upper: Path

    @property
    def work(self) -> Path:
        """The kernel's own scratch folder; it must lie beside `upper`."""
        return self.upper.with_name(f"{self.upper.name}-work")

    def mount(self, engine: Engine) -> Any:
        """As a nameless volume: the engine mounts it at the start and removes it with the box."""
        from docker.types import DriverConfig, Mount

        lowers = ":".join(map(str, self.lowers))
        options = f"lowerdir={lowers},upperdir={self.upper},workdir={self.work}"
        return Mount(
            target=self.target,
            source=None,
            type="volume",
            no_copy=True,
            labels={MANAGED: "true", HOME: engine.home_id},
            driver_config=DriverConfig("local", {"type": "overlay", "device": "overlay", "o": options}),
        )


class Overlays:
    """Whether overlays work here; asked once, by trying."""

    def __init__(self, engine: Engine, folders: Folders) -> None:
        self._engine, self._home = engine, folders.home.resolve()
        self._tried: asyncio.Task[bool] | None = None

    async def work(self, image: str) -> bool:
        """Try one with any image that is here."""
        if self._tried is None or (self._tried.done() and (self._tried.cancelled() or self._tried.exception())):
            self._tried = asyncio.ensure_future(self._try(image))
        return await asyncio.shield(self._tried)

    async def _try(self, image: str) -> bool:
        if not (await self._engine.facts()).direct or _FORBIDDEN & set(str(self._home)):
            return False
        scratch = self._home / "instances" / self._engine.new_name("overlay")
        overlay = Overlay("/over", (scratch / "lower",), scratch / "upper")
        for folder in (*overlay.lowers, overlay.upper, overlay.work):
            folder.mkdir(parents=True)
        await self._engine.give(*overlay.lowers, overlay.upper)
        box = Box(
            name=f"{self._engine.prefix}-{scratch.name}",
            kind="build",
            deployment=scratch.name,
            image=image,
            command=["/bin/sh", "-c", "echo yes >/over/file"],
            limits=Limits(),
            mounts=[overlay.mount(self._engine)],
            user=await self._engine.user(),
        )
        try:
            status, _ = await run(self._engine, box, Quiet())
            return status == 0 and (overlay.upper / "file").exists()
        except RunnerError:
            return False
        finally:
            await self._engine.thread(remove, scratch)
