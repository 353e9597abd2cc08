"""`slipway audit`: are the books what was written, and give them to others."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import Misconfigured, SlipwayError

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.audit import Checkpoint, Row
    from bot.settings import Settings


def add(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The parsers of this command and its two verbs."""
    parser = command(commands, "audit", _verify, "the books: verify that they are what was written, or export them")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    verify = command(
        verbs, "verify", _verify, "find a line that was changed, removed or moved, and a tail that was cut"
    )
    verify.add_argument("--anchor", type=Path, help="file of checkpoints (default: the one that this service writes)")
    verify.add_argument("--json", action="store_true", help="for machines and agents")
    export = command(verbs, "export", _export, "print the books, one JSON object a line")
    words = "jsonl: all lines; intoto: a statement for each verdict of policy on an artifact"
    export.add_argument("--format", choices=("jsonl", "intoto"), default="jsonl", help=words)


def _verify(args: argparse.Namespace) -> int:
    from bot import settings

    found = _examined(settings.read(), args.anchor)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0 if found["ok"] else 1
    for name in found["unguarded"]:
        print(f"slipway: the trigger {name} is gone; `slipway migrate` makes it again", file=sys.stderr)
    if found["problem"] is not None:
        print(f"slipway: {found['problem']['words']}", file=sys.stderr)
        return 1
    print(f"The books are whole: {found['lines']} lines{', up to ' if found['head'] else ''}{found['head'] or ''}.")
    if found["checkpoints"]:
        print(f"They fit the {found['checkpoints']} checkpoints of {found['anchor']}.")
    else:
        print("No checkpoint was there to compare with, so a tail that was cut does not show: give --anchor FILE.")
    return 0


def _export(args: argparse.Namespace) -> int:
    from bot import audit, settings
    from bot.models import Project
    from bot.store.audit import lines

    told = settings.read()
    with books(told) as session:

        def page(project: int | None, environment: str) -> str:
            named = session.get(Project, project) if project is not None else None
            where = named.full_name if named else f"repositories/{project}"
            return f"{told.github_server_url}/{where}/deployments/{environment}"

        for line in lines(session):
            try:
                said = audit.as_json(line) if args.format == "jsonl" else audit.statement(line, told.public_url, page)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise SlipwayError(f"Line {line.seq} can't be read; run `slipway audit verify`.") from error
            if said is not None:
                print(json.dumps(said, sort_keys=True))
    return 0


def _examined(settings: Settings, anchor: Path | None) -> dict[str, Any]:
    from bot import audit
    from bot.store.audit import lines, unguarded

    problem, marks, seen = None, [], _Seen()
    try:
        marks = _checkpoints(settings, anchor)
    except audit.BadAnchor as error:
        problem = audit.Problem("anchor", 0, str(error))
    with books(settings) as session:
        bare = unguarded(session)
        problem = problem or audit.verify(seen.each(lines(session)), marks)
    return {
        "ok": problem is None,
        "lines": seen.count,
        "head": seen.digest,
        "anchor": str(anchor or settings.anchor) if marks else None,
        "checkpoints": len(marks),
        "unguarded": bare,
        "problem": None if problem is None else {"kind": problem.kind, "line": problem.seq, "words": problem.words},
    }


def _checkpoints(settings: Settings, anchor: Path | None) -> list[Checkpoint]:
    """Those of the file that was named, or of our own if it is there; signed by our own key if we have it."""
    from bot import audit
    from bot.store.anchor import key_of

    if anchor is None and not settings.anchor.exists():
        return []
    key = audit.public_key(key_of(settings.home)) if (settings.home / "audit.key").exists() else None
    try:
        with (anchor or settings.anchor).open(encoding="utf-8", errors="replace") as told:
            return audit.read_anchor(told, key)
    except OSError as error:
        raise Misconfigured(f"The anchor can't be read: {error}") from error


class _Seen:
    """How far the reading has come."""

    def __init__(self) -> None:
        self.count, self.digest = 0, ""

    def each(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.count, self.digest = self.count + 1, row.digest
            yield row


@contextlib.contextmanager
def books(settings: Settings) -> Iterator[Session]:
    """The database, only to be read, beside a service that may be running.  Raises Misconfigured, SlipwayError."""
    from sqlalchemy.exc import DBAPIError
    from sqlmodel import Session

    from bot.store import engine

    path = engine.path_of(settings.database)
    if not path.exists():
        raise Misconfigured(f"There is no database at {path}. Start `slipway serve`, or set SLIPWAY_HOME.")
    reading = engine.reading(settings.database, 1)
    try:
        with Session(reading) as session:
            yield session
    except DBAPIError as error:
        raise SlipwayError(
            f"The books can't be read: {error.orig}. `slipway migrate` brings old ones to today."
        ) from error
    finally:
        reading.dispose()
