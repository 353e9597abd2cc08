"""How long a change is scanned, beside what people run today: `python -m bench.scan`.

Ours is all of it, as the service does it: what the change brings is asked of git, laid out, looked at by every scanner
in its box, compared with the base and written to the books; GitHub and the registries answer at once.  Today's is the
same tools by their own command lines, one after another over a checkout, as a workflow's steps; or others.
Last, a scan beside a cold build (`bench.cold`).
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

from rich.console import Console
from rich.table import Table

from bench.apps import APPS, Files
from bench.checkout import through, ways
from bench.cold import measured
from bench.commands import Failed, ran
from bench.figures import Spread
from bot.builds.scan import Equipment, Scanning
from bot.github import Repository
from bot.models import Project, PullRequest, Scan
from bot.scanners.dependencies import Advisories, Advisory, Indexes, Registries
from bot.scanners.findings import Report
from bot.sources import Sources
from bot.store import Store, migrate, scans
from demo.github import DemoGitHub
from demo.github.git import environment
from runners.base.box import Box
from runners.process.locked import ProcessBox

OWNER = "acme"
SMALL, LARGE = 1.5, 2.0  # seconds: our bars
MODULES = 12  # of a small project's own

_PAGE = """\
import secrets
import sqlite3

from flask import Blueprint, jsonify, request

pages = Blueprint("pages{number}", __name__)


@pages.get("/items{number}")
def items():
    word = request.args.get("q", "")
    with sqlite3.connect("shop.db") as shop:
        return jsonify(shop.execute("SELECT id, name FROM items WHERE name = ?", (word,)).fetchall())


def coupon():
    return secrets.token_urlsafe({number} + 12)
"""
_ROUTE = """\
const crypto = require("crypto");
const express = require("express");

const router = express.Router();

router.get("/items{number}", async (req, res, next) => {{
  try {{
    const {{ rows }} = await req.app.locals.db.query("SELECT id, name FROM items WHERE name = $1", [req.query.q]);
    res.json(rows);
  }} catch (error) {{
    next(error);
  }}
}});

exports.coupon = () => crypto.randomBytes(12 + {number}).toString("base64url");
exports.router = router;
"""
_WORKFLOW = """\
name: test
on: [pull_request]
permissions: {}
jobs:
  test:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@08eba0b27e820071cde6df949e0beb9ba4906955 # v4.3.0
        with:
          persist-credentials: false
      - run: make test
"""
_MANIFEST = '{"name": "shop", "version": "1.0.0", "dependencies": {"express": "4.21.2"}}\n'


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One change.  `before`: what the base has; None: all of `files` is new."""

    name: str
    bar: float
    files: Files
    before: Files | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What one case took."""

    name: str
    bar: float
    files: int
    first: float  # with no rules compiled yet
    ours: Spread
    today: Mapping[str, Spread]
    work: Spread | None = None  # seconds of processors in ours, which other work on the machine hardly changes

    @classmethod
    def of(
        cls,
        case: Case,
        files: int,
        ours: Sequence[float],
        today: Mapping[str, Sequence[float]],
        work: Sequence[float] = (),
    ) -> Self:
        """The first of our times is the cold one."""
        warm = Spread.of(ours[1:])
        if warm is None:
            raise Failed("one round is none: the first only warms up")
        spreads = {name: Spread.of(times) for name, times in today.items()}
        known = {name: one for name, one in spreads.items() if one}
        return cls(case.name, case.bar, files, ours[0], warm, known, Spread.of(work[1:]))

    @property
    def well(self) -> bool:
        return self.ours.median < self.bar

    def ratio(self, name: str) -> float | None:
        """How many times as long that way takes."""
        return self.today[name].median / self.ours.median if name in self.today else None

    def as_json(self) -> dict[str, Any]:
        return {
            "case": self.name,
            "files": self.files,
            "first": round(self.first * 1000, 2),
            "ours": self.ours.as_json(),
            "work": self.work.as_json() if self.work else None,
            "today": {name: one.as_json() for name, one in self.today.items()},
            "ratio": {name: round(self.ratio(name) or 0.0, 3) for name in self.today},
        }


def table(rows: Sequence[Row]) -> Table:
    """Milliseconds; and how many times as long the others take, in the same run."""
    made = Table(title="Change known → all findings (ms, median, lowest–highest)")
    made.add_column("change")
    names = list(dict.fromkeys(name for row in rows for name in row.today))
    for name in ("files", "first time", "ours", "CPU time", *(f"{name} ÷ ours" for name in names)):
        made.add_column(name, justify="right")
    for row in rows:
        shown = [f"{row.today[name]} = {row.ratio(name):.2f}" if name in row.today else "–" for name in names]
        work = str(row.work) if row.work else "–"
        made.add_row(row.name, str(row.files), f"{row.first * 1000:.0f}", str(row.ours), work, *shown)
    return made


def bars(rows: Sequence[Row]) -> list[str]:
    """Sentences: which bars are met."""
    return [f"{'✓' if row.well else '✗'} {row.name}: {row.ours.median:.2f} s (less than {row.bar:g})" for row in rows]


# ---- what is scanned


def small_flask() -> Files:
    app = APPS["flask"]
    pages = {f"shop/pages{number}.py": _PAGE.format(number=number) for number in range(MODULES)}
    return {**app.whole("1", 0), **pages, "Dockerfile": app.dockerfile(8000), ".github/workflows/test.yml": _WORKFLOW}


def small_express() -> Files:
    app = APPS["express"]
    routes = {f"routes/items{number}.js": _ROUTE.format(number=number) for number in range(MODULES)}
    rest = {"package.json": _MANIFEST, "Dockerfile": app.dockerfile(3000), ".github/workflows/test.yml": _WORKFLOW}
    return {**app.code("1"), **routes, **rest}


def large() -> tuple[Files, Files]:
    """Five thousand files; and five of them changed, as a day's work is: code of two kinds, and a page's template."""
    before = {**APPS["large"].whole("1", 0), "Dockerfile": APPS["large"].dockerfile(8000)}
    sources = [path for path in before if path.startswith("lib/")]
    kinds = ((".py", 2, _PAGE.format(number=1)), (".js", 2, _ROUTE.format(number=1)), (".html", 1, "<p>Hello</p>\n"))
    changed: dict[str, str | bytes] = {}
    for end, count, text in kinds:
        changed |= dict.fromkeys([path for path in sources if path.endswith(end)][:count], text)
    return before, changed


def cases(wanted: Sequence[str]) -> list[Case]:
    made = []
    if "flask" in wanted:
        made.append(Case("small Flask, all of it", SMALL, small_flask()))
    if "express" in wanted:
        made.append(Case("small Express, all of it", SMALL, small_express()))
    if "large" in wanted:
        before, changed = large()
        made.append(Case(f"{len(changed)} of {len(before):,} files", LARGE, changed, before))
    return made


# ---- how it is measured


class Measured:
    """One case on this machine: a repository behind HTTP, ours, and the others over a checkout of its head."""

    def __init__(self, folder: Path, box: Box, rounds: int, store: Store, registries: Registries) -> None:
        self._folder, self._box, self._rounds = folder, box, rounds
        self._store, self._registries = store, registries

    async def row(self, case: Case, github: DemoGitHub, url: str, number: int) -> Row:
        """Ours and the others in turn, so that what else this machine does meets all of them."""
        name = f"{OWNER}/case{number}"
        base, head = await _pushed(github, name, case)
        sources = Sources(self._folder / f"home{number}", url)
        await sources.fetch(number, name, head, None)  # the build asks for it too
        clone, cache = self._folder / f"clone{number}", self._folder / f"cache{number}"
        cache.mkdir()
        await ran("git", "clone", "--quiet", f"{url}/{name}.git", clone, env=environment())
        await ran("git", "checkout", "--quiet", head, folder=clone, env=environment())
        others = ways(clone, self._folder)
        project = Project(id=number, installation_id=1, owner=OWNER, name=f"case{number}")
        pull = PullRequest(project_id=number, number=1, state="open", head_sha=head, updated_at="2026-01-01T00:00:00Z")
        await self._store.write(lambda session: session.add_all([project, pull]))
        github_now = cast(Repository, _Answering())
        ours: list[float] = []
        work: list[float] = []
        today: dict[str, list[float]] = {way: [] for way in others}
        for turn in range(self._rounds + 1):
            folder = self._folder / f"equipment{number}-{turn}"  # nothing is known of any file
            folder.mkdir()
            (folder / "tools").symlink_to(cache)
            scanning = Scanning(self._store, sources, Equipment(self._box, folder, self._registries), time.time)
            await self._store.write(scans.ask, number, 1, head, f"{name} {turn}", time.time(), again=True)
            began, worked = time.perf_counter(), _worked()
            await scanning(project, github_now, pull, base=base, commits=1 if base else None, trusted=True)
            ours.append(time.perf_counter() - began)
            work.append(_worked() - worked)
            _checked(await self._store.read(scans.get, (number, 1, head)))
            for way, commands in others.items():
                today[way].append(await through(commands, clone))
        # The first turn warms up.
        files = len(case.files)
        return Row.of(case, files, ours, {way: times[1:] for way, times in today.items()}, work)


class _Answering:
    """A GitHub that answers at once, and knows of nothing bad."""

    async def git_token(self) -> None:
        return None

    async def file(self, _path: str, _ref: str) -> None:
        return None

    def advisories(self) -> Advisories:
        async def none(_ecosystem: str, _packages: Sequence[str]) -> list[Advisory]:
            return []

        return none


def _worked() -> float:
    """Seconds of processors that we and what we started have used."""
    used = [resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _checked(row: Scan | None) -> None:
    """Raises Failed for a scan that is not whole."""
    if row is None or row.report is None:
        raise Failed(f"there is no report: {row.fault if row else 'not scanned'}")
    if silent := [f"{one.tool}: {one.fault}" for one in Report.from_json(row.report).faults]:
        raise Failed(f"scanners gave no report: {'; '.join(silent)}")


async def _pushed(github: DemoGitHub, repo: str, case: Case) -> tuple[str | None, str]:
    """The case as a repository: base, head."""
    before = case.before if case.before is not None else case.files
    await github.create_repository(OWNER, repo.rpartition("/")[2], before, private=False)
    main = (await github.hub.repo(repo).git.refs())["refs/heads/main"]
    if case.before is None:
        return None, main
    return main, await github.branch_commit(repo, "change", case.files, "Change", author="ann")


async def measure(wanted: Sequence[str], rounds: int) -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="slipway-bench-scan-"))
    try:
        github = DemoGitHub(folder / "github", webhook_secret="", public_key="")
        async with github.serve(port=0) as served:
            github.user("ann")
            books = f"sqlite:///{folder}/books.db"
            await asyncio.to_thread(migrate, books)
            store = Store.open(books)
            registries = Registries(Indexes((f"{served.url}/simple",), served.url))
            measured = Measured(folder, ProcessBox(), rounds, store, registries)
            try:
                numbered = enumerate(cases(wanted), 1)
                return [await measured.row(case, github, served.url, number) for number, case in numbered]
            finally:
                await registries.close()
                store.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scan", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=["flask", "express", "large"], help="flask, express, large")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--cold", type=int, default=1, help="how often beside a cold build (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, in milliseconds")
    args = parser.parse_args(argv)
    console = Console()
    try:
        rows = asyncio.run(measure(args.cases, args.rounds))
        small = {"flask": small_flask(), "express": small_express()}
        beside = asyncio.run(measured({name: small[name] for name in small if name in args.cases}, args.cold))
    except Failed as error:
        console.print(f"[red]{error}[/]")
        return 1
    console.print(table(rows))
    for line in [*bars(rows), *map(str, beside)]:
        console.print(line)
    if args.json:
        args.json.write_text(
            json.dumps([*(one.as_json() for one in rows), *(one.as_json() for one in beside)], indent=1)
        )
    return 0 if all(row.well for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
