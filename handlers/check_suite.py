"""Somebody pressed *Re-run all checks*: the same as pressing it on ours."""

from __future__ import annotations

from bot.github.shapes import text_of
from bot.service import Event, Service
from handlers import gate
from handlers.check_run import rerun


async def handle(event: Event, service: Service) -> None:
    if event.action == "rerequested":
        suite = event.payload.get("check_suite")
        await rerun(event, suite, service)
        if isinstance(suite, dict):  # a group of the merge queue is no pull request's head
            await gate.rerequested(event, service, text_of(suite, "head_sha"))
