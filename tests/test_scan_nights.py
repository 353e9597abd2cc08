"""What becomes known after the scan, end to end: the nightly look at what serves, a promotion's second look."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import Session, col, select

from bot.models import AuditEntry, Delivery, LateFinding, Night, Stage, Work
from bot.releases import Outcome, Watch
from bot.releases.nights import DAY, night_of
from bot.store import nights
from demo.github.rest.advisories import advisory
from tests.house import SERVER, House, eventually
from tests.shipping import MAIN, books, promote, proposed, rollback, stage, watched
from tests.test_scan import concludes, head, scanned

pytestmark = pytest.mark.slow
PINNED = "tools/requirements.txt"  # nobody installs what stands there: it is listed all the same
FILES = {**SERVER, PINNED: "requests==2.32.4\n"}
QUICK = Watch(interval=0.05, window=0.2, min_samples=1)
HOUR = 3600.0


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[House]:
    """Only dependencies are looked up: no other scanner has a say in what these tests are about."""
    async with scanned(tmp_path, ()) as home:
        home.github.user("mia")
        home.github.grant(home.repo, "mia", "maintain")
        watched(home, QUICK)
        yield home


async def policy(home: House, scan: str) -> None:
    text = f"environments: {{production: {{scan: {{{scan}}}}}}}\n"
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="mia")


async def shipped(home: House, files: dict[str, str] | None = None, branch: str = "change") -> int:
    """What serves, verified, of a change that was really scanned."""
    number = await proposed(home, files or FILES, branch)
    await concludes(home, number, "success")
    outcome = await promote(home, number)
    assert outcome.done, outcome
    await stage(home, Stage.VERIFIED)
    return number


def publish(home: House, ghsa: str = "GHSA-aaaa-bbbb-cccc", days: float = 1.0, **words: Any) -> None:
    """Something becomes known of requests, so many days from now."""
    at = dt.datetime.fromtimestamp(time.time() + days * DAY, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    one = advisory(ghsa, "pip", "requests", "< 2.33", fixed="2.33.0", **{"score": 8.1, **words})
    home.github.hub.advisories.append(one | {"published_at": at, "github_reviewed_at": at})


def down(request: web.Request) -> web.Response | None:
    """As `Trouble.instead`: the database of advisories does not work."""
    return web.Response(status=502) if request.path == "/advisories" else None


def later(home: House, hours: float) -> None:
    """Promotions are judged with a clock that is so far ahead."""
    assert home.service is not None
    judge = home.service.releases._promote._judge
    judge._ground = dataclasses.replace(judge._ground, clock=lambda: time.time() + hours * HOUR)


async def night(home: House, number: int = 1, *, ends: bool = True) -> None:
    """The clock's errands of a night, so many from now, and what comes of them."""
    assert home.service is not None
    day = night_of(time.time() + number * DAY)
    due = await home.service.store.read(nights.due, day)
    assert len(due) == 1
    await home.service.send(*due)
    if ends:
        await ended(home, day)


async def ended(home: House, day: int) -> Night:
    async def look() -> Night | None:
        assert home.service is not None
        return await home.service.store.read(lambda session: session.get(Night, (project(home), day)))

    return await eventually(look)


def project(home: House) -> int:
    return int(home.github.hub.repo(home.repo).id)


async def written(home: House, what: str) -> int:
    def look(session: Session) -> int:
        return sum(json.loads(row.payload)["what"] == what for row in session.exec(select(AuditEntry)))

    assert home.service is not None
    return await home.service.store.read(look)


async def told(home: House) -> list[dict[str, Any]]:
    """What all nights had to tell."""

    def look(session: Session) -> list[dict[str, Any]]:
        rows = session.exec(select(Night).order_by(col(Night.day))).all()
        return [found for row in rows for found in row.found]

    assert home.service is not None
    return await home.service.store.read(look)


async def test_what_became_known_of_what_serves_is_told_once_and_nothing_is_marked(shop: House) -> None:
    number = await shipped(shop)
    publish(shop)

    await night(shop)
    body = await shop.says(number, "GHSA-aaaa-bbbb-cccc", "requests 2.32.4", "2.33.0")
    await night(shop, 2)

    (found,) = await told(shop)
    assert (found["environment"], found["revoked"]) == ("production", False)
    assert [one["rule"] for one in found["late"]] == ["GHSA-aaaa-bbbb-cccc"]
    assert await written(shop, "night.found") == 1
    assert body.count("[`GHSA-aaaa-bbbb-cccc`](https://github.com/") == 1
    assert (await books(shop))[1][-1].state is Stage.VERIFIED
    assert shop.twin(number)["production"]["late"][0]["rule"] == "GHSA-aaaa-bbbb-cccc"


async def test_malware_in_what_serves_revokes_it_and_it_goes_on_serving(shop: House) -> None:
    await policy(shop, "revoke: malware")
    first = await shipped(shop)
    second = await shipped(shop, {**FILES, "note.txt": "two"}, "other")
    publish(shop, kind="malware")

    await night(shop)

    row = (await books(shop))[1][-1]
    assert (row.state, row.ended_at) == (Stage.REVOKED, None)
    assert (await shop.visit(MAIN)).status_code == 200
    await shop.says(second, "it is revoked", "/rollback production")
    assert await written(shop, "release.revoked") == 1
    assert (await promote(shop, second)).reason_code == "revoked"
    (found,) = await told(shop)
    assert found["revoked"] and found["back"]

    back = await rollback(shop, second)  # what it leads to was not looked at: it did not serve

    assert back.done, back
    assert [one.state for one in (await books(shop))[1]][:2] == [Stage.VERIFIED, Stage.REVOKED]
    again = await rollback(shop, second, target=head(shop, second))
    assert again.reason_code == "revoked"
    await shop.says(first, "rolled back to")


async def test_a_policy_that_revokes_for_malware_leaves_a_fault_alone(shop: House) -> None:
    await policy(shop, "revoke: malware")
    await shipped(shop)
    publish(shop, score=9.9)

    await night(shop)

    assert len(await told(shop)) == 1
    assert await written(shop, "release.revoked") == 0


async def test_above_the_thresholds_it_is_revoked_where_the_policy_says_so(shop: House) -> None:
    await policy(shop, "revoke: threshold, high: 1")
    await shipped(shop)
    publish(shop)
    await night(shop)
    assert await written(shop, "release.revoked") == 0

    publish(shop, "GHSA-dddd-eeee-ffff")
    await night(shop, 2)

    assert await written(shop, "release.revoked") == 1
    assert (await books(shop))[1][-1].state is Stage.REVOKED


async def test_while_the_advisories_do_not_answer_nothing_is_marked_and_it_is_tried_again(shop: House) -> None:
    await policy(shop, "revoke: threshold")
    await shipped(shop)
    publish(shop)
    shop.trouble.instead = down
    await night(shop, ends=False)

    async def failed_once() -> bool | None:
        return True if (await delivery(shop)).failures >= 1 else None

    await eventually(failed_once)
    assert await told(shop) == []
    assert (await books(shop))[1][-1].state is Stage.VERIFIED

    shop.trouble.instead = lambda _request: None
    await ended(shop, night_of(time.time() + DAY))

    assert (await books(shop))[1][-1].state is Stage.REVOKED


async def delivery(home: House) -> Delivery:
    def look(session: Session) -> Delivery:
        return session.exec(select(Delivery).where(Delivery.event == "slipway.rescan")).one()

    assert home.service is not None
    return await home.service.store.read(look)


async def test_a_night_in_which_nobody_answered_is_told(shop: House) -> None:
    await shipped(shop)
    assert shop.service is not None
    day = night_of(time.time() + DAY)

    await shop.service.releases.night.abandon(project(shop), day, "GitHub does not answer.")
    await shop.service.releases.night.abandon(project(shop), day + 1, "GitHub does not answer.")

    row = await ended(shop, day)
    assert row.fault == "GitHub does not answer."
    assert await written(shop, "night.missed") == 1  # the same of the next night is no news
    assert await told(shop) == []


async def test_a_look_that_was_cut_off_and_made_again_doubles_nothing(shop: House) -> None:
    number = await shipped(shop)
    publish(shop)
    assert shop.service is not None
    day = night_of(time.time() + DAY)
    look = shop.service.releases.night

    for _twice in range(2):  # killed after its transaction, before the queue heard of it
        await look(project(shop), day)

    assert len(await told(shop)) == 1
    assert await written(shop, "night.found") == 1
    rows = await shop.service.store.read(lambda session: len(session.exec(select(LateFinding)).all()))
    assert rows == 1
    await shop.says(number, "GHSA-aaaa-bbbb-cccc")


async def test_what_the_scan_has_said_already_is_no_news(shop: House) -> None:
    await policy(shop, "high: 5")
    publish(shop, days=-1)
    await shipped(shop)  # one new high, which this policy lets pass

    await night(shop)

    assert await told(shop) == []


async def test_what_was_known_before_in_code_that_was_there_before_is_told_and_revokes_nothing(shop: House) -> None:
    await policy(shop, "revoke: threshold")
    await shop.github.branch_commit(shop.repo, "main", {PINNED: FILES[PINNED]}, "Old tools", author="ann")
    publish(shop, days=-100)
    await shipped(shop, {**SERVER, "note.txt": "a change"})

    await night(shop)

    (found,) = await told(shop)
    assert [one["since"] for one in found["late"]] == [False]
    assert (await books(shop))[1][-1].state is Stage.VERIFIED


async def test_a_release_that_is_still_watched_is_marked_when_its_watch_has_ended(shop: House) -> None:
    await policy(shop, "revoke: malware")
    watched(shop, Watch(interval=0.05, window=600))
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")
    assert (await promote(shop, number)).done
    publish(shop, kind="malware")

    await night(shop, ends=False)

    async def waits() -> bool | None:
        row = await delivery(shop)
        return True if row.state is Work.QUEUED and row.run_at > time.time() and row.attempt else None

    await eventually(waits)
    assert (await books(shop))[1][-1].state is Stage.VERIFYING
    assert (await delivery(shop)).failures == 0


# ---- promotions


async def refused(home: House, number: int) -> Outcome:
    outcome = await promote(home, number)
    assert not outcome.done
    return outcome


async def test_a_scan_that_is_older_than_the_policy_allows_promotes_nothing(shop: House) -> None:
    await policy(shop, "max_age: 24h")
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")

    later(shop, 25)
    no = await refused(shop, number)

    assert [one.reason_code for one in no.objections] == ["scan_old"]
    assert (no.objections[0].actual, no.objections[0].required) == ("25 h", "24 h")
    later(shop, 23)
    assert (await promote(shop, number)).done


async def test_what_was_published_since_the_scan_refuses_a_promotion_with_its_name(shop: House) -> None:
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")
    publish(shop, days=0.1)

    later(shop, 5)
    no = await refused(shop, number)

    assert no.reason_code == "advisory_found"
    assert "GHSA-aaaa-bbbb-cccc" in no.words and "requests 2.32.4" in no.words
    assert no.objections[0].actual == "1 new high"


async def test_a_scan_of_just_now_is_not_asked_about_twice(shop: House) -> None:
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")
    publish(shop)

    assert (await promote(shop, number)).done


async def test_what_was_published_before_the_scan_refuses_no_promotion_of_what_others_brought(shop: House) -> None:
    await shop.github.branch_commit(shop.repo, "main", {PINNED: FILES[PINNED]}, "Old tools", author="ann")
    publish(shop, days=-100)
    number = await proposed(shop, {**SERVER, "note.txt": "a change"})
    await concludes(shop, number, "success")

    later(shop, 5)

    assert (await promote(shop, number)).done


@pytest.mark.parametrize(("unknown", "passes"), [("deny", False), ("allow", True)])
async def test_advisories_that_do_not_answer_deny_where_the_unknown_does(
    shop: House, unknown: str, passes: bool
) -> None:
    await policy(shop, f"unknown: {unknown}")
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")
    shop.trouble.instead = down

    later(shop, 5)
    outcome = await promote(shop, number)

    assert (outcome.done, outcome.reason_code) == (passes, None if passes else "advisories_unknown")


async def test_an_advisory_that_does_not_matter_is_ignored_by_its_id(shop: House) -> None:
    number = await proposed(shop, FILES)
    await concludes(shop, number, "success")
    publish(shop, days=0.1)
    later(shop, 5)
    no = await refused(shop, number)
    ident = no.words.partition("(id ")[2].partition(")")[0]

    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    await shop.github.comment(shop.repo, number, "mia", f"/ignore {ident} --until={day} --reason=unused")

    async def excused() -> bool | None:
        key = (project(shop), number, head(shop, number))
        assert shop.service is not None
        return True if not await shop.service.store.read(nights.late, key, time.time()) else None

    await eventually(excused)
    assert (await promote(shop, number)).done
