"""What happened, and what we do about it.  One file an event of GitHub's, one line here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from bot.github.shapes import Malformed
from bot.service import Event, Service
from handlers import (
    answer,
    check_run,
    check_suite,
    clock,
    delete,
    gate,
    installation,
    issue_comment,
    policy,
    pull_request,
    push,
    release,
    repository,
    scan,
)

Handler = Callable[[Event, Service], Awaitable[None]]

HANDLERS: dict[str, Handler] = {
    "check_run": check_run.handle,
    "check_suite": check_suite.handle,
    "delete": delete.handle,
    "installation": installation.handle,
    "installation_repositories": installation.handle_repositories,
    "issue_comment": issue_comment.handle,
    "merge_group": gate.merge_group,
    "pull_request": pull_request.handle,
    "pull_request_review": gate.review,
    "push": push.handle,
    "repository": repository.handle,
    "slipway.answer": answer.handle,
    "slipway.cancel": clock.cancel,
    "slipway.expire": clock.expire,
    "slipway.judge": gate.judge,
    "slipway.look": clock.look,
    "slipway.merge": clock.merge,
    "slipway.policy": policy.look,
    "slipway.rebuild": clock.rebuild,
    "slipway.remove": clock.remove,
    "slipway.rescan": release.rescan,
    "slipway.revive": release.revive,
    "slipway.scan": scan.look,
    "slipway.settle": release.settle,
    "slipway.sleep": clock.sleep,
    "slipway.wake": clock.wake,
    "slipway.watch": release.watch,
}

_log = logging.getLogger(__name__)


async def abandon(event: Event, service: Service, reason: str) -> None:
    """The last try failed by a fault of ours or of the machine: nobody waits for it any longer."""
    await service.previews.refresh.abandon(event.guid, reason)
    if event.name == "slipway.judge":
        await service.gates.abandon(event.payload["project"], event.payload["sha"], reason)
    elif event.name == "slipway.scan":
        await service.scan_check.abandon(event.payload["project"], event.payload["number"], reason)
    elif event.name == "slipway.rescan":
        await service.releases.night.abandon(event.payload["project"], event.payload["day"], reason)
    elif event.name == "issue_comment":
        await issue_comment.abandon(event, service, reason)
    elif event.name == "check_run":
        await service.releases.abandon(f"command:{event.guid}", reason)
    elif event.payload.get("ident") and event.name != "slipway.answer":
        await answer.after_work(event, service, done=False)


async def handle(event: Event, service: Service) -> None:
    """Run the event's handler; one without a handler, or that lacks what it must have, changes nothing."""
    handler = HANDLERS.get(event.name)
    if handler is None:
        return
    try:
        await handler(event, service)
    except Malformed as error:
        _log.info("delivery %s (%s) changes nothing: %s", event.guid, event.name, error)
