"""Several services of one project are one preview: each is built and started by the backend there is, as one.

A backend knows nothing of it.  What runs for a part has a deployment of its own, `<deployment>-part<n>`, which is
how the parts are found again; one that is missing makes the whole another one, which nobody accounts for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from runners.base import (
    Artifact,
    BuildFailed,
    Failed,
    Gone,
    Instance,
    Launch,
    Limits,
    Log,
    Plan,
    Reading,
    RunFailed,
    Runner,
    Source,
    StartFailed,
)
from runners.isolation import to_end

AT_ONCE = 2  # parts that are built side by side: each may use all that a build is given
DATABASES = 6  # of all parts together, each of which has its own beside what the parts may use

_PART = re.compile(r"(?P<whole>.+)-part(?P<number>\d{1,3})")
T = TypeVar("T")


class Several:
    """A backend that runs plans of several services with the one it is given, and leaves it all others."""

    def __init__(self, inner: Runner) -> None:
        self._inner = inner
        self.name, self.isolates = inner.name, inner.isolates
        self._making: Counter[str] = Counter()  # builds under way, by what they make

    async def ready(self) -> None:
        """As `Runner.ready`."""
        await self._inner.ready()

    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """As `Runner.build`: every part that is shown, a few at a time."""
        if source.plan.kind != "multi":
            return await self._inner.build(source, limits, log)
        # What two builds share can't be forgotten with one of them, so the tree has a name of its own for each plan.
        tree_hash = hashlib.sha256(f"{source.tree_hash}\0{source.plan.digest}".encode()).hexdigest()
        room, key = asyncio.Semaphore(AT_ONCE), f"{source.scope}\0{tree_hash}"

        async def one(part: Plan) -> Artifact:
            async with room:
                with _Named(log, label(part)) as told:
                    return await self._inner.build(Source(source.path, tree_hash, part, source.scope), limits, told)

        async def undo(made: Artifact) -> None:
            if self._making[key] == 1:  # else somebody has it from us
                await self._inner.forget(made)

        self._making[key] += 1
        try:
            async with asyncio.timeout(limits.seconds):  # for all together, as it is for one
                parts = await _all(map(one, source.plan.shown), undo)
        except TimeoutError as error:
            words = f"The build took longer than {limits.seconds:g} s and was ended."
            hint = "Make it faster, or raise SLIPWAY_BUILD_SECONDS."
            raise BuildFailed(words, step="build", hint=hint) from error
        finally:
            self._making[key] -= 1
            self._making += Counter()  # without those that are nothing
        return _whole(source, parts)

    async def start(self, launch: Launch, log: Log) -> Instance:
        """As `Runner.start`: all that runs, side by side; it is live when each of them is."""
        plan = launch.artifact.the_plan()
        if plan.kind != "multi":
            return await self._inner.start(launch, log)
        launches = _launches(launch, plan)
        if not launches:
            raise StartFailed("There is nothing to start.", step="start", hint="None of its parts is a server.")
        databases = [each for one in launches for each in one.artifact.the_plan().backing]
        if self.isolates and len([each for each in databases if not set(each.variables) & set(launch.env)]) > DATABASES:
            told = f"Its parts want {len(databases)} databases; one preview is given {DATABASES} at most."
            hint = "Set the addresses of some with `slipway secret set`."
            raise StartFailed(told, step="prepare", hint=hint)

        async def one(part: Launch) -> Instance:
            with _Named(log, label(part.artifact.the_plan())) as told:
                return await self._inner.start(part, told)

        started = await _all(map(one, launches), self._inner.stop)
        return _together(launch.deployment, started)

    async def run(self, launch: Launch, command: str, log: Log) -> None:
        """As `Runner.run`: where the part lives that asks for this command, else where the last server does."""
        plan = launch.artifact.the_plan()
        if plan.kind != "multi":
            return await self._inner.run(launch, command, log)
        launches = _launches(launch, plan)
        asks = [one for one in launches if one.artifact.the_plan().release == command]
        if not launches:
            raise RunFailed("None of its parts runs anything.", step="release")
        return await self._inner.run((asks or launches)[-1], command, log)

    async def stop(self, instance: Instance) -> None:
        """As `Runner.stop`."""
        if not instance.parts:
            return await self._inner.stop(instance)
        return await to_end(_each(self._inner.stop, instance.parts))

    async def sleep(self, instance: Instance) -> None:
        """As `Runner.sleep`.  Raises Gone, and stops what is left, when one of them is."""
        if not instance.parts:
            return await self._inner.sleep(instance)
        return await self._whole_or_nothing(self._inner.sleep, instance)

    async def wake(self, instance: Instance) -> None:
        """As `Runner.wake`.  Raises Gone, and stops what is left, when one of them is."""
        if not instance.parts:
            return await self._inner.wake(instance)
        return await self._whole_or_nothing(self._inner.wake, instance)

    async def healthy(self, instance: Instance) -> bool:
        """As `Runner.healthy`: each of them is."""
        if not instance.parts:
            return await self._inner.healthy(instance)
        return all(await asyncio.gather(*map(self._inner.healthy, instance.parts)))

    async def instances(self) -> list[Instance]:
        """As `Runner.instances`; what is left of one that lost a part has another id than it had."""
        found: list[Instance] = []
        parts: dict[str, list[tuple[int, Instance]]] = {}
        for one in await self._inner.instances():
            part = _PART.fullmatch(one.deployment)
            if part is None:
                found.append(one)
            else:
                parts.setdefault(part["whole"], []).append((int(part["number"]), one))
        return found + [
            _together(whole, [one for _, one in sorted(each, key=lambda pair: pair[0])])
            for whole, each in parts.items()
        ]

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        """As `Runner.logs`: one after the other, each with its share of the lines."""
        if not instance.parts:
            return await self._inner.logs(instance, lines)
        share = max(1, lines // len(instance.parts))
        texts = await asyncio.gather(*(self._inner.logs(part, share) for part in instance.parts))
        return "\n".join(text.rstrip("\n") for text in texts if text)

    async def usage(self, instance: Instance) -> Reading | None:
        """As `Runner.usage`, of all together."""
        if not instance.parts:
            return await self._inner.usage(instance)
        found = [one for one in await asyncio.gather(*map(self._inner.usage, instance.parts)) if one is not None]
        if len(found) < len(instance.parts):
            return None
        cpu, memory, disk = (
            sum(one.cpu_seconds for one in found),
            sum(one.memory for one in found),
            sum(one.disk for one in found),
        )
        return Reading(cpu, memory, disk, life=" ".join(one.life for one in found).strip())

    async def forget(self, artifact: Artifact) -> None:
        """As `Runner.forget`."""
        if artifact.kind != "several":
            return await self._inner.forget(artifact)
        return await _each(self._inner.forget, artifact.parts)

    async def close(self) -> None:
        """As `Runner.close`."""
        await self._inner.close()

    async def _whole_or_nothing(self, do: Callable[[Instance], Awaitable[None]], instance: Instance) -> None:
        try:
            await _each(do, instance.parts)
        except Gone:
            await self.stop(instance)
            raise


class _Named:
    """A log in which every line says which part it is about; a failure in its block says so too."""

    def __init__(self, log: Log, name: str) -> None:
        self._log, self._name, self._open = log, name, ""

    def __enter__(self) -> _Named:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._open:
            self.write("\n")
        if isinstance(error, Failed):
            words = f"{self._name}: {error}"
            raise type(error)(words, step=error.step, hint=error.hint, path=error.path, line=error.line) from error

    def write(self, text: str) -> None:
        """Lines are told when they are whole, because others write beside us."""
        *lines, self._open = (self._open + text).split("\n")
        if lines:
            self._log.write("".join(f"{self._name} | {line}\n" for line in lines))


def label(part: Plan) -> str:
    """What people call a part: its folder, else the path it answers below."""
    return part.root if part.root != "." else part.mount or part.language


def _whole(source: Source, parts: Sequence[Artifact]) -> Artifact:
    seen = hashlib.sha256("\0".join([source.plan.digest, *(part.digest for part in parts)]).encode())
    return Artifact(f"sha256:{seen.hexdigest()}", "several", source.plan.as_json(), source.scope, parts=tuple(parts))


def _launches(launch: Launch, plan: Plan) -> list[Launch]:
    """One for each part that runs.  Together they may use what one may; a health path that was asked for the whole
    is asked of the part that answers there."""
    running = [part for part in launch.artifact.parts if part.the_plan().runs]
    limits = launch.limits
    if len(running) > 1:
        share = {"memory": limits.memory // len(running), "pids": max(64, limits.pids // len(running))}
        limits = dataclasses.replace(limits, **share, cpus=limits.cpus / len(running))
    plans = _asked_at(plan.health, [part.the_plan() for part in running])
    return [
        Launch(
            f"{launch.deployment}-part{number}",
            dataclasses.replace(part, plan=asked.as_json()),
            launch.env,
            limits,
        )
        for number, (part, asked) in enumerate(zip(running, plans, strict=True), 1)
    ]


def _is_at(path: str, mount: str) -> bool:
    return path == mount or path.startswith(f"{mount.rstrip('/')}/")


def _asked_at(path: str, plans: list[Plan]) -> list[Plan]:
    """The plans, the one that has this path with it as health path; "/" leaves each its own."""
    fits = [plan for plan in plans if _is_at(path, plan.mount or "")]
    best = max(fits, key=lambda plan: len(plan.mount or ""), default=None)
    if path == "/" or best is None:
        return plans
    cut = len(best.mount or "") if best.strip and best.mount != "/" else 0
    return [dataclasses.replace(plan, health=path[cut:] or "/") if plan is best else plan for plan in plans]


def _together(deployment: str, parts: Sequence[Instance]) -> Instance:
    """One name for all of them, which changes with each."""
    seen = hashlib.sha256("\0".join(part.id for part in parts).encode()).hexdigest()[:32]
    first = parts[0]
    return Instance(f"several-{seen}", deployment, first.runner, first.host, first.port, tuple(parts))


async def _all(makings: Iterable[Awaitable[T]], undo: Callable[[T], Awaitable[Any]]) -> list[T]:
    """What each of them makes.  When one fails, or we are cancelled, the rest is given up and the made is undone."""
    tasks = [asyncio.ensure_future(making) for making in makings]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        await to_end(_undone(tasks, undo))
        raise


async def _undone(tasks: Sequence[asyncio.Future[T]], undo: Callable[[T], Awaitable[Any]]) -> None:
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for made in ended:
        if not isinstance(made, BaseException):
            with contextlib.suppress(Failed):
                await undo(made)


async def _each(do: Callable[[T], Awaitable[None]], ones: Iterable[T]) -> None:
    """Side by side, each to its end; then the first failure is raised."""
    for ended in await asyncio.gather(*map(do, ones), return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
