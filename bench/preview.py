"""How long from a webhook to the new content, beside the floor and what people do today: `python -m bench.preview`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import platform
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import floor
from bench.apps import APPS, App, cases, missing
from bench.commands import PATIENCE, Failed
from bench.figures import Row, Spread, bars, steps_table, table
from bench.stage import OWNER, PERSON, Sent, Stage, stage
from bench.today import PORT, Today, builder, has_compose
from bot.hosts import commit_label, pull_label

BRANCH = "change"
QUIET = 1.0  # seconds between two changes: people and agents need longer
SIGNED = 100  # deliveries whose 202 is waited for


class Measure:
    """One app on one backend: all of its changes, round after round, each beside what it is compared with."""

    def __init__(self, app: App, house: Stage, engine: floor.Engine | None, today: Today | None, folder: Path) -> None:
        self.app, self._house, self._engine, self._today, self._folder = app, house, engine, today, folder
        self._taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._bump = 0
        self._mirror = floor.Mirror(folder / "mirror")
        self._installed = folder / "installed"

    async def run(self, rounds: int) -> list[Row]:
        """All rounds; the rows of this app."""
        await floor.install(self.app, self._installed)
        repo = await self._house.project(self.app.name, self.app.whole("first", self._bump))
        version = secrets.token_hex(4)
        sent, _ = await self._opened(repo, version)  # not counted: it makes what the rounds find warm
        await self._mirror.bring(self._house.url(repo), sent.sha)
        if self._today:
            await self._today.live(self.app, self._house.url(repo), BRANCH, version, cold=False)
            if await asyncio.to_thread(has_compose):
                await self._today.composed(self.app, self._house.url(repo), BRANCH, version, cold=False)
        for number in range(rounds):
            for case in cases(self.app):
                await asyncio.sleep(QUIET)
                if case == "cold":
                    await self._cold(number)
                else:
                    version = await self._warm(repo, case, version)
        await self._house.gone(repo)
        return [self._row(case) for case in cases(self.app)]

    async def _cold(self, number: int) -> None:
        """A project nobody has seen: no mirror, no caches, no layers."""
        version = secrets.token_hex(4)
        repo = await self._house.project(f"{self.app.name}-cold-{number}", self.app.whole("first", 0))
        sent, seen = await self._opened(repo, version)
        self._note("cold", sent, seen)
        mirror = floor.Mirror(self._folder / f"cold-{number}", shallow=True)
        await self._compare("cold", repo, sent.sha, version, mirror)
        await asyncio.to_thread(shutil.rmtree, self._folder / f"cold-{number}")
        await self._house.gone(repo)

    async def _warm(self, repo: str, case: str, version: str) -> str:
        """The next commit of a project that is live; the version it shows."""
        files: dict[str, str | bytes] = {}
        if case != "same":
            version = secrets.token_hex(4)
            files |= self.app.code(version)
        if case == "deps":
            self._bump += 1
            files |= await asyncio.to_thread(self.app.deps, self._bump)
        waiting = self._house.wire.next()
        pushing = asyncio.create_task(self._house.github.branch_commit(repo, BRANCH, files, "Change it", author=PERSON))
        sent = await asyncio.wait_for(waiting, PATIENCE)
        # The same tree changes no content: what is new then is the commit's own address.
        name = repo.split("/")[1]
        host = commit_label(sent.sha, OWNER, name) if case == "same" else pull_label(1, OWNER, name)
        seen = await self._house.sees(host, version)
        await pushing
        await self._house.told(repo, sent.sha)
        self._note(case, sent, seen)
        await self._compare(case, repo, sent.sha, version, self._mirror)
        return version

    async def _opened(self, repo: str, version: str) -> tuple[Sent, float]:
        github, name = self._house.github, repo.split("/")[1]
        await github.branch_commit(repo, BRANCH, self.app.code(version), "Change it", author=PERSON)
        await github.settled()
        waiting = self._house.wire.next()
        opening = asyncio.create_task(github.open_pull(repo, BRANCH, "main", "A change", "", PERSON))
        sent = await asyncio.wait_for(waiting, PATIENCE)
        seen = await self._house.sees(pull_label(1, OWNER, name), version)
        await opening
        await self._house.told(repo, sent.sha)
        return sent, seen

    def _note(self, case: str, sent: Sent, seen: float) -> None:
        self._taken[case, "ours"].append(seen - sent.at)
        for name, seconds in self._house.steps(sent, seen).items():
            self._taken[case, name].append(seconds)

    async def _compare(self, case: str, repo: str, sha: str, version: str, mirror: floor.Mirror) -> None:
        """The same commit by other means, at once, so that the machine is in the same mood."""
        app, url = self.app, self._house.url(repo)
        self._taken[case, "fetch"].append(await mirror.bring(url, sha))
        image = ""
        if self._today:
            took, image = await self._today.live(app, url, BRANCH, version, cold=case == "cold")
            self._taken[case, "today"].append(took)
            if await asyncio.to_thread(has_compose):
                took = await self._today.composed(app, url, BRANCH, version, cold=case == "cold")
                self._taken[case, "compose"].append(took)
        if app.language == "static" or case == "same":
            return  # there is nothing that would have to be started
        if self._house.runner == "process":
            self._taken[case, "run"].append(await floor.process(app, self._installed, mirror.tree, version))
        elif self._engine and image:
            self._taken[case, "run"].append(await self._engine.container(image, PORT, version))

    def _row(self, case: str) -> Row:
        spreads = {name: Spread.of(taken) for (which, name), taken in self._taken.items() if which == case}
        ours = spreads.pop("ours")
        assert ours is not None
        parts = {name: spreads.pop(name, None) for name in ("fetch", "run", "today", "compose")}
        steps = {name: spread for name, spread in spreads.items() if spread}
        return Row(self.app.name, case, self._house.runner, ours, **parts, steps=steps)


@dataclasses.dataclass(slots=True)
class Found:
    """All that a run of the bench has measured; `error` says why it ended early."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    answers: dict[str, Spread | None] = dataclasses.field(default_factory=dict)  # runner: webhook → 202
    loads: list[float] = dataclasses.field(default_factory=list)  # of the machine, before each app
    error: str | None = None

    def as_json(self, rounds: int) -> dict[str, Any]:
        """Everything, in milliseconds."""
        return {
            "date": time.strftime("%Y-%m-%d"),
            "rounds": rounds,
            "machine": {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
            "loads": self.loads,
            "builder": builder(),
            "rows": [row.as_json() for row in self.rows],
            "webhook": {runner: spread.as_json() for runner, spread in self.answers.items() if spread},
            "error": self.error,
        }


async def measure(runners: Sequence[str], apps: Sequence[App], rounds: int, told: Console) -> Found:
    """Everything asked for.  What was measured before a failure is kept."""
    found, mark = Found(), secrets.token_hex(3)
    here = asyncio.current_task()
    assert here is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)  # as for Ctrl-C: nothing is left behind
    folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    try:
        async with floor.engine(mark) as engine, contextlib.AsyncExitStack() as stack:
            today = Today(folder, mark) if engine else None
            if today:
                stack.push_async_callback(today.clear)
            for runner in runners:
                if runner == "docker" and engine is None:
                    told.print("There is no Docker engine here: its rows are left out.")
                    continue
                async with stage(folder / runner, runner) as house:
                    measures = [
                        Measure(app, house, engine, today, folder / runner / f"floor-{app.name}") for app in apps
                    ]
                    await _through(found, house, measures, rounds, told)
    except (Failed, TimeoutError) as failed:
        found.error = str(failed) or type(failed).__name__
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return found


async def _through(found: Found, house: Stage, measures: Sequence[Measure], rounds: int, told: Console) -> None:
    """One backend."""
    for one in measures:
        found.loads.append(round(os.getloadavg()[0], 2))
        with told.status(f"{one.app.name} on {house.runner}"):
            found.rows += await one.run(rounds)
    found.answers[house.runner] = Spread.of(await house.accepted(SIGNED))


def main(words: Sequence[str]) -> int:
    """0: measured; 1: something did not work, and the end of slipway's log is printed."""
    args = _parsed(words)
    console = Console()
    apps = [APPS[name] for name in args.apps]
    for app in [each for each in apps if missing(each)]:
        console.print(f"{app.name} is left out: {missing(app)}.")
        apps.remove(app)
    runners = ("docker", "process") if args.runner == "both" else (args.runner,)
    try:
        found = asyncio.run(measure(runners, apps, args.rounds, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    _tell(found, console)
    if args.json:
        args.json.write_text(json.dumps(found.as_json(args.rounds), indent=1))
    return 1 if found.error else 0


def _tell(found: Found, console: Console) -> None:
    wide = console if console.is_terminal else Console(width=140)
    wide.print(table(found.rows))
    wide.print(steps_table(found.rows))
    for runner, spread in found.answers.items():
        console.print(f"webhook → 202, {runner}: {spread} ms, {SIGNED} deliveries one after another")
    for line in bars(found.rows):
        console.print(line)
    if max(found.loads, default=0.0) > (os.cpu_count() or 1):
        console.print(f"This machine was busy with other things (load {max(found.loads)}): measure again.")
    if found.error:
        console.print(f"\nIt did not end well: {found.error}", markup=False)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.preview", description=__doc__)
    parser.add_argument("--runner", choices=("docker", "process", "both"), default="both")
    parser.add_argument("--rounds", type=_count, default=7, help="how often each change is measured (default: 7)")
    parser.add_argument(
        "--apps", type=_named, default=list(APPS), help=f"separated by commas (default: {','.join(APPS)})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, in milliseconds")
    return parser.parse_args(words)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number


def _named(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in APPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no app {', '.join(unknown)}; there are {', '.join(APPS)}")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
