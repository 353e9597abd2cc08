"""Somebody pressed *Re-run all checks*: the same as pressing it on ours."""

from __future__ import annotations

from bot.service import Event, Service
from handlers.check_run import rerun


async def handle(event: Event, service: Service) -> None:
    if event.action == "rerequested":
        await rerun(event, event.payload.get("check_suite"), service)
