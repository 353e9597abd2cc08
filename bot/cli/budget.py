"""`slipway budget`: what everybody has spent, whether the sums can be proven, and how a wrong amount is put right."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bot.cli.audit import books

if TYPE_CHECKING:
    from sqlmodel import Session

_SPANS = ("day", "week", "month", "lifetime")


def add(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The parser of this command and its verb."""
    parser = command(commands, "budget", _show, "what previews and production have cost, and who bears it")
    parser.add_argument("--json", action="store_true", help="for machines and agents; pull requests too")
    parser.add_argument("--prove", action="store_true", help="compute every sum anew from the ledger; 1: one is wrong")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    correct = command(verbs, "correct", _correct, "add an entry to the ledger that puts a wrong one right")
    correct.add_argument("entry", type=int, help="the number of the wrong entry (the ledger's seq)")
    correct.add_argument("amount", type=_micro, help="what is added, in the currency: 0.25, or -0.25 for a refund")
    correct.add_argument("--reason", required=True, help="why; it stands in the books")


def _show(args: argparse.Namespace) -> int:
    from bot import settings
    from bot.budgets import Prices

    told = settings.read()
    prices = Prices.of(told.prices)
    with books(told) as session:
        wrong = _unproven(session) if args.prove else None
        rows = _rows(session)
    if args.json:
        print(json.dumps({"currency": prices.currency, "scopes": rows, "unproven": wrong}, indent=2))
    else:
        _print(rows, prices.currency)
    for line in wrong or ():
        print(f"slipway: {line}", file=sys.stderr)
    if wrong is not None and not wrong and not args.json:
        print("Every sum is what the ledger says.")
    return 1 if wrong else 0


def _correct(args: argparse.Namespace) -> int:
    import time

    from sqlmodel import Session

    from bot import settings
    from bot.audit import Entry
    from bot.store import engine
    from bot.store.budgets import ledger

    told = settings.read()
    with books(told):  # there are some, and of today
        pass
    writing = engine.writing(told.database)
    try:
        with Session(writing) as session, session.begin():
            entry = Entry("budget.corrected", time.time(), after={"reason": args.reason, "entry": args.entry})
            made = ledger.correct(session, args.entry, args.amount, entry).seq
    finally:
        writing.dispose()
    print(f"Entry {made} of the ledger corrects entry {args.entry}.")
    return 0


def _micro(text: str) -> int:
    try:
        amount = Decimal(text) * 1_000_000
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount") from None
    if not amount.is_finite() or amount != int(amount) or abs(amount) > 10**15:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of whole millionths")
    return int(amount)


def _unproven(session: Session) -> list[str]:
    from bot.store.budgets.sums import unproven

    return unproven(session)


def _rows(session: Session) -> list[dict[str, Any]]:
    """All scopes that ever bore a cost: what they spent in the periods that run now, in UTC, and have put aside."""
    import time

    from sqlmodel import col, select

    from bot.budgets import period
    from bot.models import Purse
    from bot.store.budgets.sums import spent

    now = time.time()
    return [
        {
            "scope": row.scope,
            "label": _label(session, row.scope),
            **{f"{span}_micro": spent(session, row.scope, period(span, "UTC", now)) for span in _SPANS},  # type: ignore[arg-type]
            "held_micro": row.held,
        }
        for row in session.exec(select(Purse).order_by(col(Purse.scope)))
    ]


def _label(session: Session, scope: str) -> str:
    """The name that a number has today."""
    from sqlmodel import col, select

    from bot.models import Installation, Project, PullRequest

    kind, _, key = scope.partition(":")
    if kind in ("project", "pull"):
        owner, _, number = key.partition("#")
        project = session.get(Project, int(owner))
        return f"{project.full_name if project else owner}{f'#{number}' if number else ''}"
    if kind == "agent":
        query = select(PullRequest.author).where(PullRequest.author_id == int(key))
        return session.exec(query.order_by(col(PullRequest.opened_at).desc())).first() or key
    if kind == "organization":
        installation = session.get(Installation, int(key))
        return (installation.account if installation else "") or key
    return key.partition("/")[2] or key


def _print(rows: list[dict[str, Any]], currency: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bot.messages.money import amount
    from runners.base.failures import clean

    shown = [row for row in rows if not row["scope"].startswith("pull:")]
    table = Table(title=None if shown else "Nothing has cost anything yet.", title_justify="left")
    for column in ("who", "name", "today", "this week", "this month", "in all", "put aside"):
        table.add_column(column, overflow="fold")
    for row in shown:
        amounts = [amount(row[f"{span}_micro"], currency) for span in _SPANS] + [amount(row["held_micro"], currency)]
        table.add_row(row["scope"].partition(":")[0], Text(clean(row["label"])), *amounts)
    Console().print(table)
