"""What is live, building or asleep, read from the books of this machine."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlmodel import Session, col, select

from bot.errors import Misconfigured
from bot.hosts import pull_label
from bot.models import Deployment, Project, State
from bot.settings import Settings
from bot.store import Store

_SHOWN = [state for state in State if not state.ended and state is not State.REPLACED]


async def read(settings: Settings) -> list[dict[str, Any]]:
    """One row a preview.  Raises Misconfigured when there are no books here."""
    if settings.database_url is None and not await asyncio.to_thread((settings.home / "slipway.db").exists):
        raise Misconfigured(f"There is no database in {settings.home}. Start `slipway serve`, or set SLIPWAY_HOME.")
    store = Store.open(settings.database)
    try:
        return await store.read(_rows, settings)
    finally:
        store.close()


def _rows(session: Session, settings: Settings) -> list[dict[str, Any]]:
    query = select(Deployment, Project).where(
        Deployment.project_id == Project.id, col(Deployment.state).in_(_SHOWN), col(Deployment.number).is_not(None)
    )
    return [
        {
            "project": project.full_name,
            "number": row.number,
            "sha": row.sha,
            "state": row.state.value,
            "url": settings.preview_url(pull_label(row.number or 0, project.owner, project.name)),
            "deployment": row.id,
        }
        for row, project in session.exec(query.order_by(col(Deployment.received_at)))
    ]
