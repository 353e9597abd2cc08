"""From counters to usage: what was used between two looks at what runs, and bytes that the router sent."""

from __future__ import annotations

from sqlmodel import Session, col, select

from bot.budgets import Usage
from bot.models import Deployment, Meter
from runners.base import Reading

KEPT = 30 * 86400.0  # seconds
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
    usage = Usage()
    if reading is not None:
        cpu_us = round(reading.cpu_seconds * 1_000_000)
        before = row.cpu_us if known and row.life == reading.life else 0
        memory = 0 if asleep else reading.memory
        usage = Usage(cpu_us=max(0, cpu_us - before), memory=round(memory * span), stored=round(reading.disk * span))
        row.cpu_us, row.life = cpu_us, reading.life
    row.instance, row.at = instance, now
    session.add(row)
    return usage


def out(session: Session, deployment: str, sent: int, now: float, pause: float = 0.0) -> Usage:
    """What was sent since the last look, when that is at least `pause` seconds ago.  `sent` only grows, unless it was
    forgotten and began at nothing."""
    row = session.get(Meter, deployment) or Meter(deployment=deployment)
    if sent == row.out or now - row.at < pause:
        return Usage()
    fresh = sent - row.out if sent > row.out else sent
    row.out, row.at = sent, row.at if row.instance else now
    session.add(row)
    return Usage(out=fresh)


def prune(session: Session, now: float) -> None:
    """Forget the readings of what ended long ago: the router has forgotten it by then, too."""
    old = select(Meter, Deployment).where(col(Meter.at) < now - KEPT, col(Meter.deployment) == col(Deployment.id))
    for row, deployment in session.exec(old.limit(100)):
        if deployment.state.ended:
            session.delete(row)
