"""Lines of the sticky comment that are read from other rows than the deployment's."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlmodel import Session

from bot.messages import View, money, scan, wants
from bot.models import Deployment, Project
from bot.store import scans, secrets
from bot.store.money import Account


def with_money(view: View, account: Account, now: float) -> View:
    told = (account.cost, account.standings, account.currency)
    return dataclasses.replace(view, money=money.line(*told, now), money_twin=money.twin(*told))


def with_wants(session: Session, view: View, project: Project) -> View:
    """With the variables that its code reads and that nobody has set."""
    fork = view.pull.fork
    given = [] if fork else secrets.names(session, project.id, "preview")
    missing = wants.unset(view.deployment.plan or {}, given)
    return dataclasses.replace(view, wants=wants.line(missing, project.full_name, fork=fork), wants_twin=missing)


def scanned(session: Session, newest: Deployment, now: float) -> dict[str, Any]:
    """What the comment says of the scan; nothing where nobody asked for one."""
    key = (newest.project_id, newest.number or 0, newest.sha)
    if scans.get(session, key) is None:
        return {}
    report = scans.report(session, key, now)
    return {"scan": scan.line(report), "scan_twin": scan.twin(report) if report is not None else None}
