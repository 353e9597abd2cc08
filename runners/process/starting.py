"""From an artifact to something that answers: the private copy, the environment, and the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from runners.base import Artifact, Launch, Plan, StartFailed
from runners.base.failures import locate
from runners.base.folders import copy_tree
from runners.health import Unhealthy, wait_healthy
from runners.isolation import Child, Group, environment
from runners.ports import Listener, accepts, candidates, listening, reachable
from runners.process.layers import attach
from runners.process.notes import tail
from runners.process.steps import Box, ending, tops
from runners.process.toolchain import Tools

_TICK = 0.005  # seconds between two looks
_LOOK = 12  # ticks between two looks at the kernel's tables, while nothing answers at the port that was asked for
_PATIENCE = 0.15  # seconds that another port has to stand alone before it is taken
_SLICE = 2.0  # seconds that the port that was asked for is waited for before all are looked at again
_OTHER = 0.5  # the same for another port


def lay_out(artifact: Artifact, folder: Path) -> None:
    """Make the private copy that the program runs in.  Blocks."""
    plan, app = artifact.the_plan(), folder / "app"
    copy_tree(Path(artifact.path or ""), app)
    if artifact.deps and plan.language == "node":
        layer = Path(artifact.deps)
        attach(layer, app / plan.root, whole=plan.install_in_tree and plan.build is None)


def environ(launch: Launch, folder: Path, tools: Tools, mark: str, port: int) -> dict[str, str]:
    """All that the program sees: the launch's words win over the plan's, and where to listen is ours to say."""
    path, given = _seen(launch, folder, tools)
    return environment(folder, mark, path, {**given, "PORT": str(port), "HOST": "127.0.0.1"})


def box(launch: Launch, folder: Path, tools: Tools, home_id: str) -> Box:
    """Where a command line runs beside the program, as it were."""
    path, given = _seen(launch, folder, tools)
    cwd = launch.artifact.the_plan().root
    return Box(home_id, top=folder / "app", cwd=cwd, folder=folder, path=path, env=given, limits=launch.limits)


def _seen(launch: Launch, folder: Path, tools: Tools) -> tuple[str, dict[str, str]]:
    """PATH, and everything else that an artifact and a launch have to say."""
    plan = launch.artifact.the_plan()
    venv = Path(launch.artifact.deps) / "venv" if launch.artifact.deps and plan.language == "python" else None
    return tools.path(venv, folder / "app" / plan.root), {**tools.running(venv), **plan.env, **launch.env}


async def answering(child: Child, group: Group, asked: int, plan: Plan, seconds: float) -> Listener:
    """Wait until it answers healthily; where that is.  Raises StartFailed."""
    clock = asyncio.get_running_loop().time
    until, told = clock() + seconds, "did not listen on any port"
    search = _Search(group, asked)
    while child.poll() is None and (left := until - clock()) > 0:
        found = await search.look()
        if found is None:
            await asyncio.sleep(_TICK)
            continue
        at_once = min(left, _SLICE if found.port == asked else _OTHER)
        try:
            await wait_healthy(reachable(found.ip), found.port, plan.health, deadline=at_once, alive=_living(child))
        except Unhealthy as error:
            answer = f"answered {error.status}" if error.status else "did not answer"
            told = f"{answer} at {plan.health} on port {found.port}"
            search.refused.add(found)
        else:
            return found
    raise _failed(child, group.folder, plan, f"It {told} within {seconds:g} s.")


class _Search:
    """Looks for the socket of a program: cheaply at the port it was asked to use, now and then at all it has."""

    def __init__(self, group: Group, asked: int) -> None:
        self._group, self._asked = group, asked
        self._looks = 0
        self._alone_since: float | None = None
        self.refused: set[Listener] = set()

    async def look(self) -> Listener | None:
        """The socket to try now."""
        self._looks += 1
        if self._looks % _LOOK and not accepts(self._asked):
            return None
        found = candidates(await asyncio.to_thread(lambda: listening(self._group.members())), self._asked)
        if not found:
            self._alone_since = None
            return None
        if set(found) <= self.refused:
            self.refused.clear()
        best = next(each for each in found if each not in self.refused)
        return best if self._asked in {each.port for each in found} or self._is_alone_long_enough() else None

    def _is_alone_long_enough(self) -> bool:
        """Some programs open another port before the one they were asked to use."""
        now = asyncio.get_running_loop().time()
        self._alone_since = self._alone_since or now
        return now - self._alone_since >= _PATIENCE


def _living(child: Child) -> Callable[[], Awaitable[bool]]:
    async def alive() -> bool:
        return child.poll() is None

    return alive


def _failed(child: Child, folder: Path, plan: Plan, late: str) -> StartFailed:
    """Why it does not run, in words; the log has said so when it was the program that gave up."""
    fault = locate(tail(folder / "log", 1000), top=tops(folder / "app"), cwd=plan.root)
    code = child.poll()
    if code is None:
        told, hint = late, "Listen on the port in the PORT environment variable, and answer below 500."
    elif code == 0:
        told, hint = "It ended before it answered.", "The start command must stay in the foreground."
    else:
        told, hint = f"It {ending(code)} before it answered.", "The end of the log says more."
    if fault is None:
        return StartFailed(told, step="start", hint=hint)
    return StartFailed(
        f"{told} {fault.message}", step="start", hint=fault.hint or hint, path=fault.path, line=fault.line
    )
