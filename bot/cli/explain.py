"""`slipway policy explain`: why the latest verdict on a pull request is what it is, rule by rule."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bot.errors import SlipwayError

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.models import Decision, Project
    from bot.policy.record import Row


def add(verbs: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The parser of this verb."""
    parser = command(verbs, "explain", _explain, "why the latest verdict on a pull request is what it is, rule by rule")
    parser.add_argument("--pr", type=int, required=True, metavar="N", help="the pull request's number")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="its repository; may be left out when there is only one")
    parser.add_argument("--json", action="store_true", help="for machines and agents")


def _explain(args: argparse.Namespace) -> int:
    from bot import settings
    from bot.cli.audit import books
    from bot.policy.record import Row, from_json

    with books(settings.read()) as session:
        project, decision = _found(session, args.pr, args.repo)
        rows = [from_json(Row, raw) for raw in decision.rulings]
    if args.json:
        print(json.dumps(_as_json(project, decision, rows), indent=2))
    else:
        _print(project, decision, rows)
    return 0


def _found(session: Session, number: int, repo: str | None) -> tuple[Project, Decision]:
    """The pull request's repository, and the latest decision.  Raises SlipwayError."""
    from sqlmodel import select

    from bot.models import Project
    from bot.store import decisions

    every = session.exec(select(Project)).all()
    named = [one for one in every if repo is None or one.full_name.lower() == repo.lower()]
    if not named:
        raise SlipwayError(f"No repository {repo} is served here." if repo else "No repository is served here yet.")
    found = [(one, decision) for one in named if (decision := decisions.of_pull(session, one.id, number)) is not None]
    if not found:
        where = repo or "any repository"
        raise SlipwayError(f"Nothing was decided about #{number} of {where} yet; `/plan production` on it asks.")
    if len(found) > 1:
        names = ", ".join(sorted(one.full_name for one, _decision in found))
        raise SlipwayError(f"Several repositories have a #{number}; add --repo with one of: {names}")
    return found[0]


def _as_json(project: Project, decision: Decision, rows: list[Row]) -> dict[str, Any]:
    from bot.policy.record import as_json

    rules = [{name: value for name, value in as_json(row).items() if name != "$"} for row in rows]
    return {
        "repo": project.full_name,
        "number": decision.number,
        "environment": decision.environment,
        "kind": decision.kind,
        "at": decision.at,
        "allowed": decision.allowed,
        "reason_codes": decision.codes,
        "policy": decision.policy_digest,
        "rules": rules,
    }


def _print(project: Project, decision: Decision, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from runners.base.failures import clean

    moment = f"{dt.datetime.fromtimestamp(decision.at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    verdict = "allowed" if decision.allowed else f"denied ({', '.join(decision.codes)})"
    what = "the gate" if decision.kind == "gate" else f"{decision.kind} to {decision.environment}"
    print(f"{project.full_name} #{decision.number}, {what}: {verdict}")
    print(f"Decided {moment} by policy {decision.policy_digest[:12]}.")
    table = Table()
    for column in ("rule", "", "is", "has to be", "who decided that"):
        table.add_column(column, overflow="fold")
    for row in rows:
        passed = "yes" if row.reason_code is None else "no"
        who = ", ".join(row.layers) or "default"
        cells = (row.rule, "lifted" if row.allowed and row.words else passed, row.actual or "", row.required or "", who)
        # As text: names and checks are other people's words, neither our markup nor one to the terminal.
        table.add_row(*(Text(clean(cell)) for cell in cells))
    Console().print(table)
