"""Deliveries that we send ourselves: the clock's and a visitor's.  Pure: what to write into the queue, and where.

Their guid says what they are for, so that asking twice is asking once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bot.deliveries import Order


@dataclasses.dataclass(frozen=True, slots=True)
class Errand:
    """A delivery that is not GitHub's."""

    guid: str
    event: str
    payload: Mapping[str, Any]
    order: Order
    replaces: bool = True  # older work of its topic


def look(project_id: int, number: int, reason: str, stamp: str = "") -> Errand:
    """Ask GitHub how a pull request stands, and do what follows from it.  `reason` makes it unique.

    It replaces nothing.  What GitHub tells us of later than `stamp` replaces it: we need not ask any more."""
    key = f"{project_id}#{number}"
    order = Order(key=key, topic=f"{key}:refresh", heavy=True, priority=10, project_id=project_id, stamp=stamp)
    payload = {"project": project_id, "number": number}
    return Errand(f"look:{key}:{reason}", "slipway.look", payload, order, replaces=False)


def again(order: Order, reason: str) -> Errand:
    """Two deliveries tell different things of one second: ask GitHub which was the later one."""
    project, _, number = order.key.partition("#")
    return look(int(project), int(number), reason, order.stamp)


def rebuild(project_id: int, number: int, reason: str, **asked: Any) -> Errand:
    """Somebody asked for a build of the head, whatever became of it before.

    `asked`: `comment` and `by`, when it was with a command."""
    key = f"{project_id}#{number}"
    order = Order(key=key, topic=f"{key}:refresh", heavy=True, project_id=project_id)
    payload = {"project": project_id, "number": number, **asked}
    return Errand(f"rebuild:{key}:{reason}", "slipway.rebuild", payload, order)


def merge(project_id: int, number: int, sha: str) -> Errand:
    """What was merged is not what was previewed: it gets a preview of its own, so that it can be seen and promoted."""
    key = f"{project_id}#{number}"
    order = Order(key=key, topic=f"{key}:refresh", heavy=True, project_id=project_id)
    return Errand(f"merge:{key}:{sha}", "slipway.merge", {"project": project_id, "number": number, "sha": sha}, order)


def judge(project_id: int, sha: str, reason: str) -> Errand:
    """The verdict at a commit may have changed.  Whoever asks later takes the place of who asked before."""
    key = f"{project_id}@{sha}:gate"
    order = Order(key=key, topic=key, priority=-5, project_id=project_id)
    return Errand(f"judge:{key}:{reason}", "slipway.judge", {"project": project_id, "sha": sha}, order)


def policy(project_id: int, number: int, reason: str) -> Errand:
    """A pull request may change the policy: look at its head.  A newer question takes the place of an older one."""
    key = f"{project_id}#{number}:policy"
    order = Order(key=key, topic=key, priority=5, project_id=project_id)
    payload = {"project": project_id, "number": number}
    return Errand(f"policy:{project_id}#{number}:{reason}", "slipway.policy", payload, order)


def remove(project_id: int, number: int, reason: str, **asked: Any) -> Errand:
    """Remove what runs of a pull request: the project is no longer ours to serve, or somebody `asked`."""
    key = f"{project_id}#{number}"
    order = Order(key=key, topic=f"{key}:refresh", priority=-10, project_id=project_id)
    payload = {"project": project_id, "number": number, **asked}
    return Errand(f"remove:{key}:{reason}", "slipway.remove", payload, order)


def cancel(project_id: int, number: int, reason: str, **asked: Any) -> Errand:
    """Somebody wants the build of a pull request stopped, be it queued or running."""
    key = f"{project_id}#{number}"
    order = Order(key=key, topic=f"{key}:refresh", priority=-10, project_id=project_id)
    payload = {"project": project_id, "number": number, **asked}
    return Errand(f"cancel:{key}:{reason}", "slipway.cancel", payload, order)


def wake(deployment: str, reason: str) -> Errand:
    """Somebody opened a sleeping preview.  Its lane is its own: it must not wait for a build."""
    order = Order(key=f"wake:{deployment}", priority=-20)
    return Errand(f"wake:{deployment}:{reason}", "slipway.wake", {"deployment": deployment}, order)


def rest(deployment: str, verb: str, reason: str, last: float) -> Errand:
    """The clock's: put to `sleep`, or let `expire`, what nobody came to since `last`."""
    order = Order(key=f"wake:{deployment}", priority=10)
    return Errand(f"{verb}:{deployment}:{reason}", f"slipway.{verb}", {"deployment": deployment, "last": last}, order)


def watch(release: str, n: int, reason: str = "") -> Errand:
    """Look at what was released; `n` counts the looks, `reason` makes a second try at one unique."""
    order = Order(key=f"watch:{release}", priority=-20)
    guid = f"watch:{release}:{n}:{reason}" if reason else f"watch:{release}:{n}"
    return Errand(guid, "slipway.watch", {"release": release, "n": n}, order)


def revive(release: str, reason: str) -> Errand:
    """What serves in an environment does not run any more."""
    order = Order(key=f"revive:{release}", priority=-20)
    return Errand(f"revive:{release}:{reason}", "slipway.revive", {"release": release}, order)


def settle(project_id: int, environment: str, reason: str) -> Errand:
    """Stop what an environment does not need any more, and forget what nothing can return to."""
    order = Order(key=f"settle:{project_id}@{environment}", priority=10, project_id=project_id)
    payload = {"project": project_id, "environment": environment}
    return Errand(f"settle:{project_id}@{environment}:{reason}", "slipway.settle", payload, order)


def answer(project_id: int, number: int, ident: str, **told: Any) -> Errand:
    """Tell who asked: `comment` (its id), `body` (Markdown), `reaction` (GitHub's word), each or none."""
    order = Order(key=f"answer:{ident}", priority=-5, project_id=project_id)
    payload = {"project": project_id, "number": number, "ident": ident, **told}
    return Errand(f"answer:{ident}", "slipway.answer", payload, order)


def scan(project_id: int, number: int, reason: str) -> Errand:
    """Scan a pull request's head, or tell of it anew.  A newer question takes the place of an older one."""
    key = f"{project_id}#{number}:scan"
    order = Order(key=key, topic=key, priority=-5, project_id=project_id)
    return Errand(
        f"scan:{project_id}#{number}:{reason}", "slipway.scan", {"project": project_id, "number": number}, order
    )


def rescan(project_id: int, day: int) -> Errand:
    """Look up again, once in a night, what a project serves."""
    order = Order(key=f"{project_id}:rescan", priority=20, project_id=project_id)
    return Errand(f"rescan:{project_id}:{day}", "slipway.rescan", {"project": project_id, "day": day}, order)
