"""What was built does not change, what is known of it does: its list of dependencies is looked up again.

Once a night for what serves, and by a promotion whose scan is some hours old.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
from collections import Counter
from collections.abc import Sequence

from bot.audit import Entry
from bot.errors import GitHubRefused, SlipwayError, TryLater
from bot.models import Project, Release, Stage
from bot.policy import Unknown
from bot.policy.change import exceeded
from bot.policy.facts import Scanned
from bot.policy.terms import Scan
from bot.releases.ground import Ground
from bot.releases.rollback import SLIPWAY
from bot.scanners.dependencies import Late, later, listed
from bot.store import nights, projects
from bot.store.scans import Key

BEGINS, DAY = 2 * 3600.0, 86400.0  # nights begin at 02:00 UTC
FRESH_SECONDS = 4 * 3600.0  # so old a scan needs no second look at a promotion
LOOK_SECONDS = 15.0  # that a promotion waits for one
WATCHED_SECONDS = 300.0  # until it is tried again, when a release that is still watched would be revoked
NAMED = 3  # advisories of an objection
NO_LIST = "there is no list of what it depends on"
_log = logging.getLogger(__name__)


def night_of(now: float) -> int:
    """The number of the night, which lasts until the next one begins: one that was slept through is made up for."""
    return int((now - BEGINS) // DAY)


class Nightly:
    """Tried again until it was done, and done once: all that follows is one transaction."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store = ground, ground.store

    async def __call__(self, project_id: int, day: int) -> None:
        """Look at all that a project serves.  Raises GitHubDown, TryLater."""
        project = await self._store.read(projects.project, project_id)
        if project is None or project.state != "active" or await self._store.read(nights.made, project_id, day):
            return
        seen, faults = list[nights.Seen](), list[str]()
        for row in await self._store.read(nights.serving, project_id):
            try:
                late = await look(self._ground, project, _key(row))
            except GitHubRefused as error:
                late, why = None, str(error)
            else:
                why = NO_LIST
            if late is None:
                faults.append(f"{row.environment} ({row.sha[:7]}): {why}")
            else:
                seen.append(await self._seen(project, row, late, day))
        await self._store.write(nights.end, project_id, day, seen, "; ".join(faults) or None, self._ground.clock())

    async def abandon(self, project_id: int, day: int, reason: str) -> None:
        """It was tried for as long as it is tried: nothing is marked, and people are told that nobody has looked."""
        _log.error("what project %s serves was not looked up in this night: %s", project_id, reason)
        await self._store.write(nights.missed, project_id, day, reason, self._ground.clock())

    async def _seen(self, project: Project, row: Release, late: Sequence[Late], day: int) -> nights.Seen:
        ground, now = self._ground, self._ground.clock()
        terms = (await ground.policies.held(project)).effective.terms(row.environment).scan
        counted = await self._store.read(nights.without, _key(row), late, now)
        why = reason(counted, terms)
        if why is not None and row.state is Stage.VERIFYING:  # marked, nobody would watch it any more
            until = dt.datetime.fromtimestamp(now + WATCHED_SECONDS, dt.UTC)
            raise TryLater(f"{row.environment} is being watched; it is marked afterwards.", until)
        line = Entry(
            "night.found",
            now,
            project_id=row.project_id,
            number=row.number,
            environment=row.environment,
            actor=SLIPWAY,
            delivery=f"rescan:{row.project_id}:{day}",
            shas={"head": row.sha},
            artifact=row.artifact,
        )
        return nights.Seen(row, late, line, why)


async def look(ground: Ground, project: Project, key: Key) -> list[Late] | None:
    """What is known now of a head and was not told by its scan; None: there is no list of it.

    Raises GitHubDown, GitHubRefused, TryLater."""
    kept = await ground.store.read(nights.listed, key)
    if kept is None:
        return None
    return await later(listed(kept.components), kept.report, kept.at, ground.repository(project).advisories())


def reason(late: Sequence[Late], terms: Scan) -> str | None:
    """Why a release must never run again, as the policy has it; None: it may."""
    grave = [one for one in late if one.since]
    hostile = [one for one in grave if one.finding.kind == "malware"]
    over = terms.revoke == "threshold" and exceeded(weights(grave), terms)
    if terms.revoke == "never" or not (hostile or over):
        return None
    return f"Since it was scanned this became known: {', '.join(names(grave if over else hostile))}."


def weights(late: Sequence[Late]) -> dict[str, int]:
    """As the policy counts them."""
    found = Counter(one.finding.severity.word for one in late)
    found["malware"] = sum(one.finding.kind == "malware" for one in late)
    return dict(found)


def names(late: Sequence[Late]) -> list[str]:
    """For people: what to update, and the id that `/ignore` takes."""
    told = [f"{one.finding.rule} (id {one.finding.id}): {one.finding.message[:160]}" for one in late[:NAMED]]
    return [*told, *([f"and {len(late) - NAMED} more"] if len(late) > NAMED else [])]


async def since(ground: Ground, project: Project, key: Key, scan: Scanned) -> Scanned:
    """For a promotion: the scan with what became known after it, when it is some hours old."""
    now = ground.clock()
    if now - scan.at <= FRESH_SECONDS:
        return scan
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            late = await look(ground, project, key)
    except TimeoutError:
        return dataclasses.replace(scan, late=Unknown("GitHub's advisories took too long to answer."))
    except SlipwayError as error:
        return dataclasses.replace(scan, late=Unknown(str(error)))
    if late is None:
        return dataclasses.replace(scan, late=Unknown(f"{NO_LIST}; /redeploy makes one."))
    await ground.store.write(nights.note, key, late, now)
    counted = [one for one in await ground.store.read(nights.without, key, late, now) if one.since]
    return dataclasses.replace(scan, late=tuple(names(counted)), late_found=weights(counted))


def _key(row: Release) -> Key:
    return row.project_id, row.number or 0, row.sha
