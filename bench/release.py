"""How long from `/rollback` to the old content, and from `/promote` to the new: `python -m bench.release`.

Beside it, in the same minute: one atomic switch alone, and the former tag brought up as people do today.
"""

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

from bench import atomic, floor
from bench.apps import APPS
from bench.commands import PATIENCE, Failed, until
from bench.figures import Spread
from bench.stage import OWNER, PERSON, Sent, Stage, stage
from bench.today import Tags, builder
from bench.ways import Way, bars, lengths, steps_table, table
from bot.hosts import environment_label, pull_label
from runners.base import Instance

APP = APPS["flask"]
PROMOTER, REVIEWER = "mia", "bob"
QUIET = 1.0  # seconds between two commands: people need longer
PROMOTE, WARM, STOPPED = "promote", "rollback (warm)", "rollback (stopped)"


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A pull request whose preview is live, approved, and what its commit answers."""

    number: int
    sha: str
    text: str


class Measure:
    """One backend: the commands of every round, each beside what it is compared with."""

    def __init__(self, house: Stage, books: atomic.Books, router: atomic.Router, tags: Tags | None) -> None:
        self._house, self._books, self._router, self._tags = house, books, router, tags
        self._host = environment_label("production", OWNER, APP.name)
        self._taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._repo = ""

    async def run(self, rounds: int) -> list[Way]:
        """All rounds; the rows of this backend."""
        self._repo = await self._house.project(APP.name, APP.whole("first", 0))
        for login in (PROMOTER, REVIEWER):
            self._house.github.user(login)
        self._house.github.grant(self._repo, PROMOTER, "maintain")
        self._house.github.grant(self._repo, REVIEWER, "write")
        old, one, other = [await self._proposed(branch) for branch in ("old", "one", "other")]
        if self._tags:
            await self._tags.make(APP, old.text, one.text)
            await self._tags.up(one.text)
        await self._command(None, old, "/promote production", old)  # not counted: the first of its kind
        for number in range(rounds):
            # What was rolled back from is held until something else is promoted, so the two take turns.
            await self._round(old, *((one, other) if number % 2 == 0 else (other, one)))
            await self._compare(old, one)
        return [self._way(name) for name in (PROMOTE, WARM, STOPPED)]

    async def _round(self, old: Shown, bad: Shown, fix: Shown) -> None:
        """Serves `old` when it begins and when it ends."""
        await self._command(PROMOTE, bad, "/promote production", bad)
        await self._command(WARM, bad, "/rollback production --reason=bench", old)
        await self._command(PROMOTE, fix, "/promote production", fix)
        await self._command(PROMOTE, bad, "/promote production", bad)
        await self._stopped(old)
        await self._command(STOPPED, bad, f"/rollback production {old.sha} --reason=bench", old)

    async def _proposed(self, branch: str) -> Shown:
        house, github, text = self._house, self._house.github, secrets.token_hex(6)
        sha = await github.branch_commit(self._repo, branch, APP.code(text), "Change it", author=PERSON)
        number = await github.open_pull(self._repo, branch, "main", "A change", "", PERSON)
        await house.sees(pull_label(number, OWNER, APP.name), text)
        await house.told(self._repo, sha)
        await github.review(self._repo, number, REVIEWER)
        return Shown(number, sha, text)

    async def _command(self, name: str | None, on: Shown, words: str, wanted: Shown) -> None:
        """Write it on a pull request; from its delivery until production answers what is wanted."""
        await self._house.quiet()
        await asyncio.sleep(QUIET)
        waiting = self._house.wire.next("issue_comment")
        comment = await self._house.github.comment(self._repo, on.number, PROMOTER, words)
        sent = await asyncio.wait_for(waiting, PATIENCE)
        seen = asyncio.ensure_future(self._house.sees(self._host, wanted.text))
        ended = asyncio.ensure_future(self._ended(comment, words))
        try:
            await asyncio.gather(seen, ended)
        finally:
            for task in (seen, ended):
                task.cancel()
        if name is not None:
            self._note(name, comment, sent, seen.result())

    async def _ended(self, comment: int, words: str) -> None:
        """Wait for the reaction that ends a command.  Raises Failed when it was refused."""
        one = self._house.github.hub.repo(self._repo).comments[comment]

        async def look() -> bool:
            given = [each.content for each in one.reactions]
            if "-1" in given:
                bodies = [each.body for each in self._house.github.hub.repo(self._repo).comments.values()]
                raise Failed(f"{words} was refused: {bodies[-1][-600:]}")
            return "rocket" in given

        await until(look, f"{words} to end", 0.05)

    async def _stopped(self, old: Shown) -> None:
        """Wait until nothing runs any more of what served some releases ago; its artifact is kept."""
        running = "select count(*) from release where sha = ? and instance is not null and instance <> 'null'"

        async def look() -> bool:
            return self._house.rows(running, old.sha) == [(0,)]

        await until(look, "the old instance to be stopped", 0.05)

    def _note(self, name: str, comment: int, sent: Sent, seen: float) -> None:
        self._taken[name, "ours"].append(seen - sent.at)
        delivery = self._house.rows("select received_at, started_at from delivery where guid = ?", sent.guid)[0]
        query = "select started_at, live_at from release where delivery = ?"
        release = self._house.rows(query, f"command:{comment}")[0]
        marks = (sent.wall, *delivery, *release, sent.wall + seen - sent.at)
        for step, seconds in lengths(marks).items():
            self._taken[name, step].append(seconds)

    async def _compare(self, old: Shown, new: Shown) -> None:
        """The same by other means, at once, so that the machine is in the same mood."""
        for shown in (new, old):
            self._taken["", "books"].append(await self._books.switch())
            self._taken["", "router"].append(await self._router.point(self._preview(shown), shown.text))
            if self._tags:
                self._taken["", "today"].append(await self._tags.up(shown.text))

    def _preview(self, shown: Shown) -> Instance:
        query = "select instance from deployment where sha = ? and state = 'live'"
        return Instance.from_json(json.loads(self._house.rows(query, shown.sha)[0][0]))

    def _way(self, name: str) -> Way:
        spreads = {part: Spread.of(taken) for (which, part), taken in self._taken.items() if which == name}
        beside = {part: Spread.of(self._taken["", part]) for part in ("books", "router", "today")}
        ours = spreads.pop("ours")
        assert ours is not None
        steps = {step: spread for step, spread in spreads.items() if spread}
        return Way(name, self._house.runner, ours, **beside, steps=steps)


@dataclasses.dataclass(slots=True)
class Found:
    """All that a run of the bench has measured; `error` says why it ended early."""

    ways: list[Way] = dataclasses.field(default_factory=list)
    today: str = "not measured: there is no Docker engine"
    loads: list[float] = dataclasses.field(default_factory=list)  # of the machine, before each backend
    error: str | None = None

    def as_json(self, rounds: int) -> dict[str, Any]:
        """Everything, in milliseconds."""
        return {
            "date": time.strftime("%Y-%m-%d"),
            "rounds": rounds,
            "machine": {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
            "loads": self.loads,
            "today": self.today,
            "builder": builder(),
            "ways": [way.as_json() for way in self.ways],
            "error": self.error,
        }


async def measure(runners: Sequence[str], rounds: int, told: Console) -> Found:
    """Everything asked for.  What was measured before a failure is kept."""
    found, mark = Found(), secrets.token_hex(3)
    here = asyncio.current_task()
    assert here is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)  # as for Ctrl-C: nothing is left behind
    folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    try:
        async with contextlib.AsyncExitStack() as stack:
            engine = await stack.enter_async_context(floor.engine(mark))
            tags = Tags(folder, mark) if engine else None
            if tags:
                stack.push_async_callback(tags.clear)
                found.today = tags.words
            books = stack.enter_context(atomic.books(folder))
            router = await stack.enter_async_context(atomic.router())
            for runner in runners:
                if runner == "docker" and engine is None:
                    told.print("There is no Docker engine here: its rows are left out.")
                    continue
                with told.status(f"promote and rollback on {runner}"):
                    found.loads.append(round(os.getloadavg()[0], 2))
                    found.ways += await _ways(folder / runner, runner, rounds, books, router, tags)
    except (Failed, TimeoutError) as failed:
        found.error = str(failed) or type(failed).__name__
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return found


async def _ways(
    folder: Path, runner: str, rounds: int, books: atomic.Books, router: atomic.Router, tags: Tags | None
) -> list[Way]:
    async with stage(folder, runner) as house:
        return await Measure(house, books, router, tags).run(rounds)


def main(words: Sequence[str]) -> int:
    """0: measured; 1: something did not work, and the end of slipway's log is printed."""
    args = _parsed(words)
    console = Console()
    runners = ("docker", "process") if args.runner == "both" else (args.runner,)
    try:
        found = asyncio.run(measure(runners, args.rounds, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    _tell(found, console)
    if args.json:
        args.json.write_text(json.dumps(found.as_json(args.rounds), indent=1))
    return 1 if found.error else 0


def _tell(found: Found, console: Console) -> None:
    wide = console if console.is_terminal else Console(width=140)
    wide.print(table(found.ways, found.today))
    wide.print(steps_table(found.ways))
    for line in bars(found.ways):
        console.print(line)
    if max(found.loads, default=0.0) > (os.cpu_count() or 1):
        console.print(f"This machine was busy with other things (load {max(found.loads)}): measure again.")
    if found.error:
        console.print(f"\nIt did not end well: {found.error}", markup=False)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.release", description=__doc__)
    parser.add_argument("--runner", choices=("docker", "process", "both"), default="both")
    parser.add_argument("--rounds", type=_count, default=7, help="of three promotions and two rollbacks (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, in milliseconds")
    return parser.parse_args(words)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
