"""From counters to usage: what was used between two looks at what runs, and bytes that the router sent."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from bot.budgets import Usage
from bot.models import Meter
from runners.base import Reading

GAP = 120.0  # seconds: what was not looked at for longer is charged for no more memory and disk than this


def take(
    session: Session, deployment: str, instance: str, reading: Reading | None, now: float, *, asleep: bool = False
) -> Usage:
    """What was used since the last look.  The first look at an instance only begins, but for the CPU it has used.

    A counter that fell without a new life of the instance lost some of what had ended: nothing is booked for that.
    What sleeps is charged for its disk alone.  `reading` None: the backend can't tell."""
    row = session.get(Meter, deployment) or Meter(deployment=deployment)
    known = row.instance == instance
    span = min(max(0.0, now - row.at), GAP) if known else 0.0
    usage = Usage(out=row.out)
    if reading is not None:
        cpu_us = round(reading.cpu_seconds * 1_000_000)
        before = row.cpu_us if known and row.life == reading.life else 0
        memory = 0 if asleep else reading.memory
        usage += Usage(cpu_us=max(0, cpu_us - before), memory=round(memory * span), stored=round(reading.disk * span))
        row.cpu_us, row.life = cpu_us, reading.life
    row.instance, row.at, row.out = instance, now, 0
    session.add(row)
    return usage


def note_out(session: Session, sent: Mapping[str, int]) -> None:
    """Bytes that the router has sent to the visitors of each deployment since the last time."""
    for deployment, count in sent.items():
        row = session.get(Meter, deployment) or Meter(deployment=deployment)
        row.out += count
        session.add(row)


def drain(session: Session, deployment: str) -> Usage:
    """Bytes that are not metered yet, of what has no instance."""
    row = session.get(Meter, deployment)
    sent = row.out if row else 0
    if row is not None and sent:
        row.out = 0
        session.add(row)
    return Usage(out=sent)


def forget(session: Session, deployment: str) -> None:
    """It runs no more."""
    row = session.get(Meter, deployment)
    if row is not None and not row.out:
        session.delete(row)
