"""The command line.  0: done; 1: refused or failed, with the reason on stderr; 2: wrong use."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot import __version__
from bot.cli import audit, budget, policy, secret
from bot.errors import Misconfigured, SlipwayError

EPILOG = """\
A start:
  make demo                 a GitHub on your own machine, an agent, a preview: nothing to set up
  slipway detect .          what Slipway sees in this folder, and why
  slipway doctor            is everything there to serve a real organization?
  slipway serve             take deliveries, build, route and tell: all in one process
Settings are environment variables; docs/settings.md lists them."""


Serve = Callable[[bool, bool], int]  # web, worker
Demo = Callable[[bool], int]  # once


def main(argv: Sequence[str], serve: Serve, demo: Demo) -> int:
    """Run one command; the exit code.  `serve` and `demo` stand above this layer, so they are handed in."""
    parser = _parser(serve, demo)
    args = parser.parse_args(argv)
    if not hasattr(args, "run"):
        parser.print_help()
        return 2
    try:
        return int(args.run(args))
    except SlipwayError as error:
        print(f"slipway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(serve: Serve, demo: Demo) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "slipway",
        description="Every change gets a live preview in seconds, told on its pull request.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"slipway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add(commands, "serve", lambda _args: serve(True, True), "web and worker in one process (the usual way to run)")
    _add(commands, "web", lambda _args: serve(True, False), "only the door: deliveries in, previews out")
    _add(commands, "worker", lambda _args: serve(False, True), "only the work: builds, GitHub, the clock")
    story = _add(
        commands, "demo", lambda args: demo(args.once), "a GitHub of your own, and an agent that opens a pull request"
    )
    story.add_argument("--once", action="store_true", help="tell the story and end: 0 when it went as told, else 1")
    detect = _add(commands, "detect", _detect, "how a folder would be built and run, and why")
    detect.add_argument("dir", nargs="?", default=".", type=Path, help="the project's folder (default: this one)")
    detect.add_argument("--json", action="store_true", help="one JSON object; several services: a list of them")
    status = _add(commands, "status", _status, "what is live, building or asleep")
    status.add_argument("--json", action="store_true", help="for machines and agents")
    doctor = _add(commands, "doctor", _doctor, "check settings, database, GitHub and the backend; say what to do")
    doctor.add_argument("--json", action="store_true", help="for machines and agents")
    audit.add(commands, _add)
    policy.add(commands, _add)
    budget.add(commands, _add)
    secret.add(commands, _add)
    _add(commands, "migrate", _migrate, "bring the database to this version's schema (serve does it by itself)")
    return parser


def _add(commands: Any, name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    return parser


def _detect(args: argparse.Namespace) -> int:
    from runners.frameworks import NotDetected, Tree, detect

    if not args.dir.is_dir():
        raise Misconfigured(f"{args.dir} is no folder.")
    try:
        plan = detect(Tree.read(args.dir))
    except NotDetected as error:
        raise SlipwayError(str(error)) from error
    if args.json:
        raw = [part.as_json() for part in plan.parts] if plan.parts else plan.as_json()
        print(json.dumps(raw, indent=2))
        return 0
    if plan.parts:
        print(f"{plan.why['kind']}\n{plan.why.get('mount', '')}\n")
    for part in plan.parts or (plan,):
        _print_plan(part.as_json())
    return 0


_TOLD = (
    *("language", "version", "framework", "package_manager", "kind", "root", "entry", "static_dir", "port"),
    *("env", "install", "build", "start", "release", "mount"),
)


def _print_plan(plan: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from runners.base.failures import clean

    where = "" if plan["root"] == "." else f" in {plan['root']}/"
    table = Table(title=Text(f"{plan['framework'] or plan['language']}{where}"), title_justify="left")
    for column in ("what", "is", "because"):
        table.add_column(column, overflow="fold")
    for field in _TOLD:
        told = _lines(plan[field])
        if told and (field, told) != ("root", "."):
            # As text: what stands in a project's files is neither our markup nor a word to the terminal.
            table.add_row(field, Text(clean(told)), Text(clean(plan["why"].get(field, ""))))
    Console().print(table)


def _lines(value: Any) -> str:
    """A field of a plan as people read it; several items one below the other."""
    if isinstance(value, dict):
        return "\n".join(f"{name}={item}" for name, item in value.items())
    return "\n".join(value) if isinstance(value, list | tuple) else str(value or "")


def _status(args: argparse.Namespace) -> int:
    from bot import settings
    from bot.cli import status

    rows = asyncio.run(status.read(settings.read()))
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title=None if rows else "No previews yet: open a pull request.", title_justify="left")
    for column in ("project", "pull", "commit", "state", "address"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["project"], f"#{row['number']}", row["sha"][:7], row["state"], row["url"])
    Console().print(table)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from bot import settings
    from bot.cli import doctor

    findings = asyncio.run(doctor.examine(settings.read()))
    if args.json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{'✓' if finding.ok else '✗'} {finding.what}: {finding.words}")
    return 0 if all(finding.ok or finding.optional for finding in findings) else 1


def _migrate(_args: argparse.Namespace) -> int:
    from bot import settings
    from bot.store import migrate

    migrate(settings.read().database)
    print("The database has this version's schema.")
    return 0
