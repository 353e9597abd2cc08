"""`slipway policy`: is a policy file one, what does it change, and what may stand in it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli import explain
from bot.errors import Misconfigured

if TYPE_CHECKING:
    from bot.policy.compare import Difference

FILE = Path(".slipway.yml")
LAYER = "project"


def add(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The parsers of this command and its verbs."""
    parser = command(commands, "policy", _check, "the rules of a project: check the file, or print its format")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    check = command(verbs, "check", _check, "find what is wrong in a policy file, and say what it changes")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help=f"the file (default: {FILE})")
    check.add_argument("--server", action="store_true", help="the file is the server's own: SLIPWAY_POLICY")
    check.add_argument("--json", action="store_true", help="for machines and agents")
    command(verbs, "schema", _schema, "print the format as JSON Schema, for editors")
    explain.add(verbs, command)


def _schema(_args: argparse.Namespace) -> int:
    from bot.policy.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _check(args: argparse.Namespace) -> int:
    from bot.policy.compare import compare
    from bot.policy.fields import not_yet
    from bot.policy.load import Invalid, load
    from bot.policy.merge import Layer, merge
    from bot.policy.terms import Effective

    path: Path = args.file or FILE
    text = _read(path, needed=args.file is not None)
    try:
        effective = merge([Layer("server" if args.server else LAYER, load(text or b"", server=args.server))])
    except Invalid as error:
        return _faults(path, error, as_json=args.json)
    changes = compare(Effective(), effective)
    if args.json:
        told = [
            {"path": one.path, "way": one.way, "default": one.before, "is": one.after, "not_yet": not_yet(one.path)}
            for one in changes
        ]
        print(json.dumps({"file": str(path), "ok": True, "digest": effective.digest, "changes": told}, indent=2))
    elif text is None:
        print(f"There is no {path}: the defaults hold. docs/policy.md says what they are.")
    else:
        _print(path, changes)
    return 0


def _read(path: Path, *, needed: bool) -> bytes | None:
    """The file; None: there is none, and none was named.  Raises Misconfigured."""
    from bot.policy.text import LARGEST

    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)  # one more is enough to see that it is too much
    except FileNotFoundError as error:
        if needed:
            raise Misconfigured(f"There is no file {path}.") from error
        return None
    except OSError as error:
        raise Misconfigured(f"{path} can't be read: {error.strerror}.") from error


def _faults(path: Path, error: Any, *, as_json: bool) -> int:
    if as_json:
        told = [
            {"line": fault.line, "column": fault.column, "path": fault.path, "words": fault.words}
            for fault in error.faults
        ]
        print(json.dumps({"file": str(path), "ok": False, "faults": told}, indent=2))
        return 1
    for fault in error.faults:
        where = f"{fault.path}: " if fault.path else ""
        print(f"{path}:{fault.line}:{fault.column}: {where}{fault.words}", file=sys.stderr)
    return 1


def _print(path: Path, changes: tuple[Difference, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bot.policy.fields import not_yet

    print(f"{path} is a policy{'' if changes else '; it says what holds without it'}.")
    if not changes:
        return
    table = Table(title="What it changes", title_justify="left")
    for column in ("field", "without a policy", "here", ""):
        table.add_column(column, overflow="fold")
    for change in changes:
        # As text: a policy is somebody's file, neither our markup nor a word to the terminal.
        way = "not yet" if not_yet(change.path) else "" if change.way == "other" else change.way
        cells = (change.path, change.before, change.after, way)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
    if any(not_yet(change.path) for change in changes):
        print('"not yet": kept and compared, but this version does not act on it; docs/policy.md lists these fields.')
