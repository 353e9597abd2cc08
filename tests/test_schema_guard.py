"""Ways back that the database does not go along with, what runs before a release, and what never runs again."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.models import AuditEntry, Release, Stage
from bot.releases import Outcome, Watch
from bot.store import environments, releases
from tests.house import SERVER, House, eventually, house
from tests.shipping import MAIN, ask, books, promote, proposed, rollback, stage, watched
from tests.talk import ended, refused, write

pytestmark = pytest.mark.slow

ADDS = "class Migration:\n    operations = [migrations.AddField('order', 'total', models.IntegerField())]\n"
GOES = "class Migration:\n    operations = [migrations.RemoveField('order', 'total')]\n"
FIRST = {"shop/migrations/0001_initial.py": ADDS}
SECOND = {**FIRST, "shop/migrations/0002_away.py": GOES}
LOST = "shop/migrations/0002_away.py: removes the field order.total"
# Answers badly in production as soon as a file of this name lies in its folder.
SOUR = """\
import http.server, os
_send = http.server.BaseHTTPRequestHandler.send_response
def send(self, code, message=None):
    _send(self, 500 if os.environ["SLIPWAY_ENVIRONMENT"] == "production" and os.path.exists("sour") else code, message)
http.server.BaseHTTPRequestHandler.send_response = send
"""


def says(word: str, more: dict[str, str] | None = None, extra: str = "") -> dict[str, str]:
    """A server that answers with this word."""
    return {**SERVER, "app.py": extra + SERVER["app.py"].replace(" one", f" {word}"), **(more or {})}


def releasing(command: str) -> dict[str, str]:
    return {"Procfile": f"{SERVER['Procfile']}release: {command}\n"}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        one.github.user("mia")
        one.github.grant(one.repo, "mia", "maintain")
        yield one


async def lines(home: House, what: str) -> list[dict[str, Any]]:
    """What the books say, the oldest first."""

    def look(session: Session) -> list[dict[str, Any]]:
        every = session.exec(select(AuditEntry).order_by(col(AuditEntry.seq))).all()
        return [json.loads(row.payload) for row in every]

    assert home.service is not None
    return [one for one in await home.service.store.read(look) if one["what"] == what]


async def shipped(home: House, *apps: dict[str, str]) -> list[int]:
    """Pull requests, each promoted when the one before it serves."""
    numbers = []
    for at, files in enumerate(apps):
        numbers.append(await proposed(home, files, f"change-{at}"))
        outcome = await promote(home, numbers[-1])
        assert outcome.done, outcome
    return numbers


async def revoke(home: House, number: int, target: str, who: str = "mia") -> Outcome:
    assert home.service is not None
    return await home.service.releases.revoke(await ask(home, number, who, target=target, reason="leak"))


def sha(home: House, number: int) -> str:
    return home.github.hub.pull(home.repo, number).head_sha


async def test_rollback_across_a_destructive_migration_is_refused(home: House) -> None:
    """P30: no way back over what a migration destroyed, unless somebody says that they have looked."""
    first, second = await shipped(home, says("one", FIRST), says("two", SECOND))

    no = await rollback(home, second)

    assert no.reason_code == "schema_guard"
    assert LOST in no.words
    assert no.next == f"/rollback production {sha(home, first)[:7]} --reason=word --accept-schema"
    (objection,) = no.objections
    assert (objection.actual, objection.required) == ("shop/migrations/0002_away.py", "--accept-schema")
    assert (await home.visit(MAIN)).text == "hello two"
    assert len((await books(home))[1]) == 2

    yes = await rollback(home, second, target=sha(home, first)[:7], accept_schema=True)

    assert yes.done, yes
    assert (await home.visit(MAIN)).text == "hello one"
    (line,) = await lines(home, "release.rolled_back")
    assert line["after"]["accepted_schema"] == [LOST]
    assert (await books(home))[1][-1].accepted_schema


async def test_the_command_that_a_refusal_names_is_the_one_that_works(home: House) -> None:
    _first, second = await shipped(home, says("one", FIRST), says("two", SECOND))

    told = await refused(home, second, '/rollback production --reason="it is slow"', "mia")
    assert told["reason_code"] == "schema_guard"
    await ended(home, await write(home, second, told["next"], "mia"))

    assert (await home.visit(MAIN)).text == "hello one"


async def test_a_promotion_tells_what_its_migrations_destroy(home: House) -> None:
    await shipped(home, says("one", FIRST))
    second = await proposed(home, says("two", SECOND), "other")
    assert home.service is not None

    before = await home.service.releases.plan(await ask(home, second))
    after = await promote(home, second)

    assert [LOST in one.words for one in (before, after) if one.done] == [True, True]

    body = await home.says(second, "It carries migrations that destroy", "--accept-schema")

    assert "removes the field order.total" in body.replace("\\", "")
    assert home.twin(second)["production"]["destroys"] == [LOST]
    first, last = await lines(home, "release.live")
    assert "destroys" not in first["after"]
    assert last["after"]["destroys"] == [LOST]


async def test_releases_in_between_count_with_what_they_destroyed(home: House) -> None:
    first, _second, third = await shipped(home, says("one", FIRST), says("two", SECOND), says("three", SECOND))

    far = await rollback(home, third, target=sha(home, first))
    near = await rollback(home, third)

    assert far.reason_code == "schema_guard"
    assert near.done, near
    assert (await home.visit(MAIN)).text == "hello two"


async def test_releases_from_before_migrations_were_read_are_not_guarded(home: House) -> None:
    _first, second = await shipped(home, says("one", FIRST), says("two", SECOND))
    old = (await books(home))[1][0]

    def forget(session: Session) -> None:
        row = session.get_one(Release, old.id)
        row.plan = {key: value for key, value in (row.plan or {}).items() if key != "migrations"}
        session.add(row)

    assert home.service is not None
    await home.service.store.write(forget)

    assert (await rollback(home, second)).done


async def test_the_automatic_rollback_calls_a_person_rather_than_to_cross(home: House) -> None:
    await shipped(home, says("one", FIRST))
    watched(home, Watch(interval=0.2, fail_after=3, min_samples=5, window=60))
    second = await proposed(home, says("two", SECOND, SOUR), "other")
    assert (await promote(home, second)).done
    bad = (await books(home))[1][-1]

    (home.settings.home / "instances" / bad.id / "app" / "sour").touch()
    row = await stage(home, Stage.FAILED)

    assert row.failure is not None
    assert row.failure["paged"]
    assert LOST in row.failure["message"]
    assert "/rollback production" in row.failure["message"]
    assert "--accept-schema" in row.failure["message"]
    env, rows = await books(home)
    assert (env.generation, len(rows), env.hold_by) == (2, 2, "slipway")
    await home.says(second, "@mia production needs a person now")


async def test_the_release_command_runs_once_before_a_release_serves(home: House, tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = f"echo $SLIPWAY_ENVIRONMENT $(ls app.py) >> {note}; echo migrating now"
    number = await proposed(home, says("one", releasing(command)))
    assert not note.exists()  # previews never run it
    asked = await ask(home, number)
    assert home.service is not None

    first, again = [await home.service.releases.promote(asked) for _ in range(2)]

    assert (first.done, again.done) == (True, True)
    assert note.read_text() == "production app.py\n"
    (row,) = (await books(home))[1]
    assert "migrating now" in (home.settings.home / "logs" / f"{row.id}.log").read_text()
    (line,) = await lines(home, "release.command")
    assert line["after"] == {"command": command, "try": 1}
    assert line["at"] < (await lines(home, "release.live"))[0]["at"]


async def test_a_rollback_runs_no_release_command(home: House, tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = releasing(f"echo ran >> {note}")
    _first, second = await shipped(home, says("one", command), says("two", command))

    assert (await rollback(home, second)).done

    assert note.read_text() == "ran\n" * 2


async def test_a_release_command_that_fails_stops_the_promotion(home: House) -> None:
    await shipped(home, says("one"))
    second = await proposed(home, says("two", releasing("echo no such table; exit 3")), "other")

    outcome = await promote(home, second)

    assert outcome.reason_code == "release_failed"
    assert "exit code 3" in outcome.words
    assert (await home.visit(MAIN)).text == "hello one"
    env, rows = await books(home)
    assert (env.generation, rows[-1].state, env.lease_claim) == (1, Stage.FAILED, None)
    await home.says(second, "release_failed", "no such table")


async def test_an_unhealthy_release_says_that_its_command_had_run(home: House) -> None:
    sick = "import os, sys\nif os.environ['SLIPWAY_ENVIRONMENT'] == 'production': sys.exit(3)\n"
    number = await proposed(home, says("one", releasing("true"), sick))

    outcome = await promote(home, number)

    assert outcome.reason_code == "health_failed"
    assert "Its release command had run." in outcome.words


@pytest.mark.parametrize("ended_at", [None, 1.0])
async def test_killed_after_the_command_began_it_runs_again_only_if_it_had_not_ended(
    home: House, tmp_path: Path, ended_at: float | None
) -> None:
    note = tmp_path / "note"
    number = await proposed(home, says("one", releasing(f"echo ran >> {note}")))
    asked, service = await ask(home, number), home.service
    assert service is not None
    shown = await service.releases._promote._judge.shown(asked, number)
    assert shown is not None
    await service.store.write(environments.take, asked.project.id, "production", asked.guid, time.time(), 60.0)
    begun = Release(
        delivery=asked.guid,
        project_id=asked.project.id,
        environment="production",
        number=number,
        deployment=shown.id,
        sha=shown.sha,
        artifact=shown.artifact or "",
        started_at=time.time(),
        watch={"command": {"tries": 1, "began_at": 1.0, "ended_at": ended_at}},
    )
    begun = await service.store.write(releases.begin, begun)

    outcome = await service.releases.promote(asked)

    assert outcome.done, outcome
    assert note.exists() is (ended_at is None)
    assert ("it is run again" in await service.releases.watch._ground.log_end(begun.id)) is (ended_at is None)
    assert [one["after"]["try"] for one in await lines(home, "release.command")] == ([2] if ended_at is None else [])


async def test_a_revoked_release_is_refused(home: House) -> None:
    """P30: neither by name nor without, and no promotion of the same files either."""
    first, second = await shipped(home, says("one"), says("two"))
    assert (await books(home))[1][0].instance is not None

    done = await revoke(home, second, sha(home, first)[:7])

    assert done.done, done
    assert (await books(home))[1][0].state is Stage.REVOKED
    assert (await rollback(home, second)).reason_code == "nothing_verified"
    assert (await rollback(home, second, target=sha(home, first))).reason_code == "revoked"
    again = await promote(home, first)
    assert again.reason_code == "revoked"
    assert (await home.visit(MAIN)).text == "hello two"
    (line,) = await lines(home, "release.revoked")
    assert line["actor"]["login"] == "mia"
    assert line["after"]["reason"] == "Revoked by mia: leak"
    await home.says(first, "never runs again", "leak")

    async def stopped() -> bool | None:
        return True if (await books(home))[1][0].instance is None else None

    await eventually(stopped)


async def test_the_same_files_from_another_commit_are_revoked_too(home: House) -> None:
    first, second = await shipped(home, says("one"), says("two"))
    assert (await revoke(home, second, sha(home, first))).done

    third = await proposed(home, says("one"), "third")

    assert sha(home, third) != sha(home, first)
    assert (await promote(home, third)).reason_code == "revoked"


async def test_what_serves_can_not_be_revoked(home: House) -> None:
    (number,) = await shipped(home, says("one"))

    no = await revoke(home, number, sha(home, number))

    assert no.reason_code == "already_serving"
    assert no.next == "/rollback production --reason=words"
    assert (await books(home))[1][0].state is Stage.VERIFYING


async def test_only_who_may_deploy_revokes_and_says_why(home: House) -> None:
    first, second = await shipped(home, says("one"), says("two"))
    target = sha(home, first)[:7]

    assert (await revoke(home, second, target, "bob")).reason_code == "not_permitted"
    assert (await refused(home, second, f"/revoke production {target} --reason=leak", "bob"))["reason_code"] == (
        "not_permitted"
    )
    assert (await refused(home, second, f"/revoke production {target}", "mia"))["reason_code"] == "usage"
    assert (await refused(home, second, "/revoke production 1234567 --reason=x", "mia"))["reason_code"] == (
        "unknown_target"
    )
    assert (await books(home))[1][0].state is Stage.SUPERSEDED

    await ended(home, await write(home, second, f"/revoke production {target} --reason=leak", "mia"))

    assert (await books(home))[1][0].state is Stage.REVOKED


async def test_a_command_sent_twice_revokes_once(home: House) -> None:
    first, second = await shipped(home, says("one"), says("two"))
    asked = await ask(home, second, target=sha(home, first), reason="leak")
    assert home.service is not None

    outcomes = [await home.service.releases.revoke(dataclasses.replace(asked)) for _ in range(2)]

    assert [one.done for one in outcomes] == [True, True]
    assert len(await lines(home, "release.revoked")) == 1
