"""Production, end to end: real git, real processes, real SQLite; what people saw is what ships, and the way back."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from bot.models import Delivery, Release, Stage, Work
from bot.releases import Watch
from bot.store import environments, releases
from tests.house import SERVER, House, eventually, house
from tests.shipping import MAIN, approved, ask, books, noted, promote, proposed, rollback, stage, watched

pytestmark = pytest.mark.slow


def says(word: str, extra: str = "") -> dict[str, str]:
    """A server that answers with this word."""
    return {**SERVER, "app.py": extra + SERVER["app.py"].replace(b" one".decode(), f" {word}")}


# Answers badly as soon as a file of this name lies in its folder.
SOUR = """\
import http.server, os
class Sour:
    pass
_send = http.server.BaseHTTPRequestHandler.send_response
def send(self, code, message=None):
    _send(self, 500 if os.environ["SLIPWAY_ENVIRONMENT"] == "production" and os.path.exists("sour") else code, message)
http.server.BaseHTTPRequestHandler.send_response = send
"""
SICK = """\
import os, sys
if os.environ["SLIPWAY_ENVIRONMENT"] == "production":
    print("no database here", flush=True)
    sys.exit(3)
"""


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        one.github.user("mia")
        one.github.grant(one.repo, "mia", "maintain")
        yield one


async def worked_off(home: House, action: str) -> bool | None:
    """Deliveries of this action came, and none is left to do."""

    def look(session: Session) -> bool | None:
        rows = session.exec(select(Delivery).where(Delivery.action == action)).all()
        return True if rows and all(row.state is Work.DONE for row in rows) else None

    assert home.service is not None
    return await home.service.store.read(look)


async def test_what_was_shown_ships_and_is_told(home: House) -> None:
    number = await proposed(home, says("one"))

    outcome = await promote(home, number)

    assert outcome.done, outcome
    assert (await home.visit(MAIN)).text == "hello one"
    sha = home.github.hub.pull(home.repo, number).head_sha
    body = await home.says(number, "Production", "it is being watched")
    assert MAIN in body
    assert home.twin(number)["production"]["serving"] == sha

    async def told() -> bool | None:
        live = [one for one in home.remote(sha) if one.environment == "production"]
        return True if [one.state for one in live] == ["success"] else None

    await eventually(told)
    (remote,) = (one for one in home.remote(sha) if one.environment == "production")
    assert not remote.transient


async def test_production_never_sees_the_previews_environment(home: House) -> None:
    show = "import os; EVERYTHING = ' '.join(sorted(k for k in os.environ if k.startswith('SLIPWAY')))\n"
    files = {**SERVER, "app.py": show + SERVER["app.py"].replace('b" one"', "EVERYTHING.encode()")}
    number = await proposed(home, files)

    assert (await promote(home, number)).done

    text = (await home.visit(MAIN)).text
    assert "SLIPWAY_PULL_REQUEST" not in text
    assert "SLIPWAY_ENVIRONMENT" in text
    assert "SLIPWAY_PULL_REQUEST" in (await home.visit(home.host(number))).text


async def test_rollback_brings_the_former_back_at_once(home: House) -> None:
    first = await proposed(home, says("one"))
    assert (await promote(home, first)).done
    second = await proposed(home, says("two"), "other")
    assert (await promote(home, second)).done
    assert (await home.visit(MAIN)).text == "hello two"

    began = time.monotonic()
    outcome = await rollback(home, second)
    took = time.monotonic() - began

    assert outcome.done, outcome
    assert (await home.visit(MAIN)).text == "hello one"
    assert took < 20  # what it takes is measured by bench/release.py
    env, rows = await books(home)
    assert env.generation == 3
    assert (env.hold, env.hold_by) == ("word", "mia")
    assert [row.state for row in rows] == [Stage.SUPERSEDED, Stage.ROLLED_BACK, Stage.VERIFYING]
    await home.says(second, "was rolled back", "held")
    assert home.twin(second)["reason_code"] == "rolled_back"

    async def inactive() -> bool | None:
        sha = home.github.hub.pull(home.repo, second).head_sha
        states = [one.state for one in home.remote(sha) if one.environment == "production"]
        return True if states == ["inactive"] else None

    await eventually(inactive)


async def test_after_a_rollback_the_same_is_held_and_the_fix_lifts_it(home: House) -> None:
    first = await proposed(home, says("one"))
    await promote(home, first)
    second = await proposed(home, says("two"), "other")
    await promote(home, second)
    assert (await rollback(home, second)).done

    again = await promote(home, second)
    assert again.reason_code == "held"
    assert (await home.visit(MAIN)).text == "hello one"

    await home.push({"app.py": says("three")["app.py"]}, "other")
    await approved(home, second)
    assert (await promote(home, second)).done
    assert (await home.visit(MAIN)).text == "hello three"
    assert (await books(home))[0].hold is None


async def test_push_after_comment_is_refused(home: House) -> None:
    """P1: the command means what was displayed; a head that moved since is never released."""
    number = await proposed(home, says("one"))
    asked = await ask(home, number)
    evil = await home.push({"app.py": says("evil")["app.py"]})
    assert home.service is not None

    at_once = await home.service.releases.promote(asked)
    await home.shows(home.host(number), "evil")
    await home.says(number, evil[:7], "is live")
    later = await home.service.releases.promote(dataclasses.replace(asked, guid="later"))

    assert (at_once.reason_code, later.reason_code) == ("head_moved", "head_moved")
    assert at_once.next == f"/promote production {evil[:7]}"
    assert (await home.visit(MAIN)).status_code == 404


async def test_nothing_displayed_is_refused(home: House) -> None:
    before = time.time() - 1
    number = await proposed(home, says("one"))

    outcome = await promote(home, number, received_at=before)

    assert outcome.reason_code == "not_displayed"


async def test_an_unhealthy_release_never_serves_and_the_old_never_noticed(home: House) -> None:
    first = await proposed(home, says("one"))
    await promote(home, first)
    second = await proposed(home, says("two", SICK), "other")

    outcome = await promote(home, second)

    assert outcome.reason_code == "health_failed"
    assert (await home.visit(MAIN)).text == "hello one"
    env, rows = await books(home)
    assert (env.generation, rows[-1].state) == (1, Stage.FAILED)
    await home.says(second, "health_failed", "no database here")
    assert env.lease_claim is None


async def test_a_release_that_turns_bad_is_rolled_back_by_itself(home: House) -> None:
    watched(home, Watch(interval=0.1, fail_after=3, min_samples=1, window=0.5))
    first = await proposed(home, says("one"))
    await promote(home, first)
    await stage(home, Stage.VERIFIED)
    watched(home, Watch(interval=0.2, fail_after=3, min_samples=5, window=60))
    second = await proposed(home, says("two", SOUR), "other")
    assert (await promote(home, second)).done
    assert (await home.visit(MAIN)).text == "hello two"
    bad = (await books(home))[1][-1]

    (home.settings.home / "instances" / bad.id / "app" / "sour").touch()
    await home.shows(MAIN, "hello one")

    env, rows = await books(home)
    assert [row.state for row in rows][:2] == [Stage.VERIFIED, Stage.FAILED]
    assert env.hold is not None
    assert env.hold_by == "slipway"
    body = await home.says(second, "failed and was rolled back", "does not answer well")
    assert "held" in body
    assert home.twin(second)["reason_code"] == "rolled_back"


async def test_a_failing_release_is_left_to_people_where_the_policy_says_so(home: House) -> None:
    text = "environments: {production: {auto_rollback: {on: []}}}\n"
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="mia")
    watched(home, Watch(interval=0.1, fail_after=3, min_samples=1, window=0.5))
    await promote(home, await proposed(home, says("one")))
    await stage(home, Stage.VERIFIED)
    watched(home, Watch(interval=0.2, fail_after=3, min_samples=5, window=60))
    second = await proposed(home, says("two", SOUR), "other")
    assert (await promote(home, second)).done
    bad = (await books(home))[1][-1]

    (home.settings.home / "instances" / bad.id / "app" / "sour").touch()
    await home.says(second, "rolls nothing back by itself")

    env, rows = await books(home)
    assert (env.hold_by, rows[-1].id, rows[-1].state) == ("slipway", bad.id, Stage.FAILED)


async def test_failed_rollback_pages_and_never_loops(home: House) -> None:
    """P31: what was rolled back to fails too: a person is called, nothing more is tried."""
    first = await proposed(home, says("one", SOUR))
    assert (await promote(home, first)).done
    second = await proposed(home, says("two"), "other")
    assert (await promote(home, second)).done
    watched(home, Watch(interval=0.1, fail_after=2, min_samples=2, window=60))
    assert (await rollback(home, second)).done
    old = (await books(home))[1][0]

    (home.settings.home / "instances" / old.id / "app" / "sour").touch()

    failed = await stage(home, Stage.FAILED)
    assert failed.failure is not None
    assert failed.failure["paged"]
    env, rows = await books(home)
    assert (env.generation, len(rows)) == (3, 3)
    assert env.hold == "word"


async def test_production_that_died_runs_again(home: House) -> None:
    watched(home, Watch(interval=0.05, fail_after=3, min_samples=1, window=0.2))
    number = await proposed(home, says("one"))
    await promote(home, number)
    row = await stage(home, Stage.VERIFIED)
    assert row.instance is not None

    os.killpg(int(row.instance["id"].split(":")[0]), signal.SIGKILL)

    await home.shows(MAIN, "hello one")
    assert (await books(home))[0].generation == 1


async def test_a_rollback_after_the_window_starts_the_kept_artifact(home: House) -> None:
    """P32: the old pull request is closed, its instance is stopped, its artifact is kept."""
    watched(home, Watch(interval=0.05, fail_after=3, min_samples=1, window=0.2))
    first = await proposed(home, says("one"))
    await promote(home, first)
    await stage(home, Stage.VERIFIED)
    await home.github.close_pull(home.repo, first)
    second = await proposed(home, says("two"), "other")
    await promote(home, second)
    await stage(home, Stage.VERIFIED)

    async def stopped() -> bool | None:
        return True if (await books(home))[1][0].instance is None else None

    await eventually(stopped)
    outcome = await rollback(home, second)

    assert outcome.done, outcome
    assert (await home.visit(MAIN)).text == "hello one"


async def test_a_merged_pull_request_ships_what_was_shown(home: House) -> None:
    number = await proposed(home, says("one"))
    await home.github.merge_pull(home.repo, number, "bob")
    await home.says(number, "merged", "Preview removed")

    outcome = await promote(home, number)

    assert outcome.done, outcome
    assert (await home.visit(MAIN)).text == "hello one"


async def test_a_merge_that_became_something_else_is_refused_until_it_was_seen(home: House) -> None:
    """P42: a squash on a base that had moved."""
    number = await proposed(home, says("one"))
    await home.github.branch_commit(home.repo, "main", {"other.txt": "drift"}, "Drift", author="bob")
    await home.github.merge_pull(home.repo, number, "bob")
    await home.says(number, "merged")

    outcome = await promote(home, number)

    assert outcome.reason_code == "merge_differs"
    assert (await home.visit(MAIN)).status_code == 404
    body = await home.says(number, "Preview of what was merged, ", "is live")
    merged = await home.github.hub.repo(home.repo).git.resolve("main")
    assert merged is not None
    assert merged[:7] in body
    assert outcome.next == f"/promote production {merged[:7]}"
    await noted(home, merged)
    outcome = await promote(home, number)

    assert outcome.done, outcome
    assert (await books(home))[1][-1].sha == merged
    assert (await home.visit(MAIN)).text == "hello one"


async def test_what_was_merged_goes_on_being_shown_when_more_is_told_of_the_pull_request(home: House) -> None:
    number = await proposed(home, says("one"))
    await home.github.branch_commit(home.repo, "main", {"other.txt": "drift"}, "Drift", author="bob")
    await home.github.merge_pull(home.repo, number, "bob")
    await home.says(number, "merged")
    await promote(home, number)
    await home.says(number, "Preview of what was merged, ", "is live")

    await home.github.edit_title(home.repo, number, "Another title", "bob")
    await eventually(lambda: worked_off(home, "edited"))

    assert (await home.visit(home.host(number))).text == "hello one"


async def test_a_delivery_tried_again_switches_once(home: House) -> None:
    number = await proposed(home, says("one"))
    asked = await ask(home, number)
    assert home.service is not None

    first, second = [await home.service.releases.promote(asked) for _ in range(2)]

    assert first.done
    assert (second.done, second.release) == (True, first.release)
    env, rows = await books(home)
    assert (env.generation, len(rows)) == (1, 1)
    assert len(list((home.settings.home / "instances").glob("*"))) == 2  # the preview and production


async def test_killed_before_the_switch_it_switches_once_and_leaves_one_instance(home: House) -> None:
    """P25: the row, the lease and the instance of the first life are there; nobody else gets in between."""
    number = await proposed(home, says("one"))
    asked, service = await ask(home, number), home.service
    assert service is not None
    shown = await service.releases.shown(asked)
    assert shown is not None
    ground = service.releases.watch._ground
    artifact = await ground.artifact(shown.artifact)
    assert artifact is not None
    await service.store.write(environments.take, asked.project.id, "production", asked.guid, time.time(), 60.0)
    begun = await service.store.write(
        releases.begin,
        Release(
            delivery=asked.guid,
            project_id=asked.project.id,
            environment="production",
            number=number,
            deployment=shown.id,
            sha=shown.sha,
            artifact=artifact.digest,
            started_at=time.time(),
        ),
    )
    await ground.start(asked.project, begun, artifact)
    assert (await promote(home, number)).reason_code == "busy"
    await home.stop()
    await home.start()

    assert home.service is not None
    again = await home.service.releases.promote(asked)

    assert (again.done, again.release) == (True, begun.id)
    assert (await home.visit(MAIN)).text == "hello one"
    env, rows = await books(home)
    assert (env.generation, len(rows), env.lease_claim) == (1, 1, None)
    assert len(list((home.settings.home / "instances").glob("*"))) == 2  # the preview and production


async def test_the_watch_goes_on_after_a_restart(home: House) -> None:
    watched(home, Watch(interval=0.3, fail_after=3, min_samples=5, window=300))
    number = await proposed(home, says("one"))
    await promote(home, number)

    await home.stop()
    await home.start()

    async def looked() -> bool | None:
        row = (await books(home))[1][-1]
        return True if row.watch and len(row.watch["samples"]) >= 2 else None

    await eventually(looked)
    assert (await home.visit(MAIN)).text == "hello one"
