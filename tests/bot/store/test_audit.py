"""The books in the database: one transaction with the effect, triggers, tampering, a killed writer, the anchor."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlmodel import Session

from bot.audit import Checkpoint, Entry, Line, Problem, public_key, read_anchor, verify
from bot.deliveries import Order
from bot.errors import Misconfigured
from bot.models import AuditEntry, Deployment, Project, PullRequest, State
from bot.store import Store, audit, deliveries, deployments, engine, migrate, projects, pulls
from bot.store.anchor import EVERY_LINES, EVERY_SECONDS, Anchor, key_of

NOW = 1_800_000_000.0
SHA = "a" * 40
OTHER = "b" * 40


def entry(number: int) -> Entry:
    return Entry("preview.live", NOW + number, project_id=1, number=number)


async def filled(store: Store, count: int = 5) -> AuditEntry:
    for number in range(count):
        await store.write(audit.append, entry(number))
    head = await store.read(audit.head)
    assert head is not None
    return head


def all_lines(session: Session) -> list[Line]:
    return list(audit.lines(session))


def problem(session: Session) -> Problem | None:
    return verify(audit.lines(session))


def tampered(url: str, *statements: str) -> None:
    """What somebody does who has the file: the triggers go first."""
    raw = sqlite3.connect(engine.path_of(url))
    for name in engine.GUARDS:
        raw.execute(f"DROP TRIGGER {name}")
    for line in statements:
        raw.execute(line)
    raw.commit()
    raw.close()


async def test_lines_are_numbered_and_linked(store: Store) -> None:
    head = await filled(store)
    assert head.seq == 5
    assert await store.read(problem) is None
    assert [line.seq for line in await store.read(all_lines)] == [1, 2, 3, 4, 5]


async def test_a_transaction_that_fails_takes_its_line_with_it(store: Store) -> None:
    await filled(store, 1)

    def effect(session: Session) -> None:
        audit.append(session, entry(1))
        raise RuntimeError("the effect failed")

    with pytest.raises(RuntimeError):
        await store.write(effect)
    await asyncio.gather(*(store.write(audit.append, entry(number)) for number in range(20)))
    assert len(await store.read(all_lines)) == 21
    assert await store.read(problem) is None


async def test_two_processes_write_one_chain(url: str, store: Store) -> None:
    other = Store.open(url)
    try:
        await asyncio.gather(*(one.write(audit.append, entry(0)) for one in (store, other) for _ in range(30)))
    finally:
        other.close()
    assert len(await store.read(all_lines)) == 60
    assert await store.read(problem) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET payload = '{}' WHERE seq = 2",
        "DELETE FROM audit_entry WHERE seq = 5",
        "REPLACE INTO audit_entry SELECT 2, prev, '{}', digest FROM audit_entry WHERE seq = 2",
        "INSERT INTO audit_entry SELECT 9, prev, payload, digest FROM audit_entry WHERE seq = 2",
    ],
)
async def test_the_database_refuses_to_change_a_line(url: str, store: Store, statement: str) -> None:
    await filled(store)
    before = await store.read(all_lines)
    raw = sqlite3.connect(engine.path_of(url))
    with pytest.raises(sqlite3.IntegrityError, match="books"):
        raw.execute(statement)
    raw.close()
    assert await store.read(all_lines) == before


@pytest.mark.parametrize(
    ("statements", "kind", "line"),
    [
        (["UPDATE audit_entry SET payload = replace(payload, 'live', 'gone') WHERE seq = 3"], "changed", 3),
        (["UPDATE audit_entry SET payload = x'ff00' WHERE seq = 3"], "changed", 3),
        (["UPDATE audit_entry SET digest = '' WHERE seq = 3"], "changed", 3),
        (["DELETE FROM audit_entry WHERE seq = 3"], "missing", 3),
        (["DELETE FROM audit_entry WHERE seq = 1"], "missing", 1),
        (
            [
                "UPDATE audit_entry SET seq = 99 WHERE seq = 2",
                "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
                "UPDATE audit_entry SET seq = 3 WHERE seq = 99",
            ],
            "moved",
            2,
        ),
    ],
)
async def test_whoever_drops_the_triggers_and_changes_a_line_is_seen(
    url: str, store: Store, statements: list[str], kind: str, line: int
) -> None:
    await filled(store)
    tampered(url, *statements)
    found = await store.read(problem)
    assert found is not None
    assert (found.kind, found.seq) == (kind, line)
    assert await store.read(audit.unguarded) == sorted(engine.GUARDS)


async def test_a_cut_tail_is_seen_with_the_anchor(url: str, store: Store, tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "elsewhere", tmp_path)
    assert await anchor.note(await filled(store), NOW)
    tampered(url, "DELETE FROM audit_entry WHERE seq > 3")
    marks = read_anchor((tmp_path / "elsewhere").read_text().splitlines(), public_key(key_of(tmp_path)))

    assert await store.read(problem) is None
    found = await store.read(lambda session: verify(audit.lines(session), marks))
    assert found is not None
    assert found.kind == "cut"


async def test_the_triggers_are_made_again_after_a_batch_migration(url: str, store: Store) -> None:
    await filled(store)
    database = engine.writing(url)
    with database.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("audit_entry", recreate="always"):
            pass
    database.dispose()
    gone = sorted(name for name in engine.GUARDS if name.startswith("audit_entry"))
    assert await store.read(audit.unguarded) == gone

    migrate(url)

    assert await store.read(audit.unguarded) == []
    assert await store.read(problem) is None
    await filled(store, 1)


@pytest.mark.slow
async def test_kill_9_in_the_middle_leaves_a_valid_chain(url: str, tmp_path: Path) -> None:
    kept = 0
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WRITES_FOR_EVER, url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        for _ in range(random.randint(1, 40)):
            kept = int(await process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = (await process.stdout.read()).split()
        kept = int(rest[-1]) if rest and rest[-1].isdigit() and int(rest[-1]) > kept else kept
        await process.wait()
        database = engine.reading(url, 1)
        with Session(database) as session:
            lines = all_lines(session)
            assert verify(lines) is None
            effects = {route for (route,) in session.connection().exec_driver_sql("SELECT host FROM route")}
        database.dispose()
        assert len(lines) >= kept > 0
        assert effects == {f"h{line.seq}" for line in lines}  # an effect and its line: both or neither


_WRITES_FOR_EVER = """
import asyncio, sys
from bot.audit import Entry
from bot.store import Store, audit
from bot.store.rows import set_route

def effect(session):
    line = audit.append(session, Entry("x", 1.0))
    set_route(session, f"h{line.seq}", "d", None)
    return line.seq

async def main():
    store = Store.open(sys.argv[1])
    while True:
        print(await store.write(effect), flush=True)

asyncio.run(main())
"""


class TestPreviews:
    async def test_every_step_that_matters_has_its_line(self, store: Store) -> None:
        first = await self._begun(store, "one", SHA)
        await store.write(deployments.go_live, first.id, {"h": {"deployment": first.id}}, NOW, artifact="sha256:1")
        second = await self._begun(store, "two", OTHER)
        await store.write(deployments.go_live, second.id, {"h": {"deployment": second.id}}, NOW, artifact="sha256:2")
        await store.write(deployments.put, second.id, State.LIVE, {}, NOW, state=State.ASLEEP)
        await store.write(deployments.put, second.id, State.ASLEEP, {}, NOW, state=State.LIVE)
        await store.write(deployments.closing, 1, 2, NOW, "closes")
        await store.write(deployments.closing, 1, 2, NOW, "closes")  # tried again: nothing new to tell
        await store.write(deployments.closed, 1, 2, True, NOW, "closes")
        await store.write(deployments.closed, 1, 2, True, NOW, "closes")

        assert await self._told(store) == [
            *("preview.accepted", "preview.live", "preview.accepted", "preview.live"),
            *("preview.asleep", "preview.awake", "preview.closed", "preview.closed", "preview.gone"),
        ]
        switch = (await self._entries(store))[3]
        assert switch["artifact"] == "sha256:2"
        assert switch["before"] == {"artifacts": ["sha256:1"], "replaced": [first.id]}
        assert switch["shas"] == {"head": OTHER}
        assert await store.read(problem) is None

    async def test_a_failure_is_told_without_its_log(self, store: Store) -> None:
        deployment = await self._begun(store, "one", SHA)
        failure = {"step": "build", "reason_code": "build_failed", "message": "secret", "log": "secret"}
        await store.write(deployments.advance, deployment.id, State.FAILED, "failed", NOW, failure=failure)
        told = (await self._entries(store))[-1]
        assert told["what"] == "preview.failed"
        assert told["after"] == {
            "deployment": deployment.id,
            "reason_code": "build_failed",
            "state": "failed",
            "step": "build",
        }

    async def test_a_refused_fork_and_what_a_newer_commit_replaced_are_told(self, store: Store) -> None:
        await self._begun(store, "one", SHA)
        deployment = await self._begun(store, "two", OTHER)
        await store.write(deployments.advance, deployment.id, State.REFUSED, "a fork", NOW, failure={"step": "admit"})
        assert await self._told(store) == [
            "preview.accepted",
            "preview.cancelled",
            "preview.accepted",
            "preview.refused",
        ]

    async def test_what_expires_and_what_an_account_takes_away_is_told(self, store: Store) -> None:
        await self._begun(store, "one", SHA)
        await store.write(deployments.expiring, 1, 2, NOW, "goes", states=(*deployments.HOLDING, *deployments.WORKING))
        await store.write(projects.leave, 5, None, NOW, "goes")
        assert await self._told(store) == ["preview.accepted", "preview.removed", "project.left"]

    async def test_the_sender_that_a_signed_delivery_names_is_the_actor(self, store: Store) -> None:
        sender = {"id": 7, "login": "ada", "type": "User"}
        await store.write(deliveries.accept, "one", "pull_request", {"sender": sender}, Order("1#2"), NOW)
        await self._begun(store, "one", SHA)
        told = (await self._entries(store))[0]
        assert told["actor"] == {"how": "delivery", "id": 7, "kind": "person", "login": "ada"}
        assert told["delivery"] == "one"

    async def test_what_the_clock_does_is_not_laid_at_the_door_of_who_pushed(self, store: Store) -> None:
        sender = {"id": 7, "login": "ada", "type": "User"}
        await store.write(deliveries.accept, "one", "pull_request", {"sender": sender}, Order("1#2"), NOW)
        deployment = await self._begun(store, "one", SHA)
        await store.write(deployments.go_live, deployment.id, {}, NOW)
        await store.write(deployments.put, deployment.id, State.LIVE, {}, NOW, state=State.ASLEEP)
        await store.write(deployments.expiring, 1, 2, NOW, states=deployments.HOLDING)
        assert ["actor" in one for one in await self._entries(store)] == [True, True, False, False]

    @pytest.mark.parametrize("payload", [{}, {"sender": None}, {"sender": {"id": "7"}}, {"sender": {"id": 7}}])
    async def test_a_delivery_that_names_nobody_has_no_actor(self, store: Store, payload: dict[str, object]) -> None:
        await store.write(deliveries.accept, "one", "push", payload, Order("1#2"), NOW)
        assert await store.read(audit.sender, "one") is None
        assert await store.read(audit.sender, "never came") is None

    async def test_our_own_deliveries_speak_for_nobody(self, store: Store) -> None:
        forged = {"sender": {"id": 7, "login": "ada", "type": "User"}}
        await store.write(deliveries.accept, "one", "clock", forged, Order("1#2"), NOW, source="clock")
        assert await store.read(audit.sender, "one") is None

    async def _begun(self, store: Store, guid: str, sha: str) -> Deployment:
        project = Project(id=1, installation_id=5, owner="acme", name="app")
        pull = PullRequest(project_id=1, number=2, head_sha=sha)
        _, kept = await store.write(pulls.note_pull, project, pull, NOW)
        return await store.write(deployments.begin, guid, kept, sha, NOW)

    async def _entries(self, store: Store) -> list[dict[str, object]]:
        return [json.loads(line.payload) for line in await store.read(all_lines)]

    async def _told(self, store: Store) -> list[object]:
        return [one["what"] for one in await self._entries(store)]


class TestAnchor:
    async def test_a_checkpoint_comes_at_once_then_after_a_while_or_many_lines(
        self, store: Store, tmp_path: Path
    ) -> None:
        anchor = Anchor(tmp_path / "anchor", tmp_path)
        assert not await anchor.note(None, NOW)
        first = await filled(store, 1)
        assert await anchor.note(first, NOW)
        second = await filled(store, 1)
        assert not await anchor.note(second, NOW + 1)
        assert await anchor.note(second, NOW + EVERY_SECONDS)
        assert not await anchor.note(second, NOW + 9 * EVERY_SECONDS)  # nothing new
        many = AuditEntry(seq=second.seq + EVERY_LINES, prev="", payload="", digest="d")
        assert await anchor.note(many, NOW + EVERY_SECONDS + 1)
        assert [one.seq for one in self._read(tmp_path)] == [1, 2, 2 + EVERY_LINES]

    async def test_it_goes_on_after_a_torn_line(self, store: Store, tmp_path: Path) -> None:
        head = await filled(store)
        await Anchor(tmp_path / "anchor", tmp_path).note(head, NOW)
        whole = (tmp_path / "anchor").read_text()
        (tmp_path / "anchor").write_text(whole + whole[:40])
        await Anchor(tmp_path / "anchor", tmp_path).note(head, NOW)
        assert len(self._read(tmp_path)) == 2

    def test_the_key_is_made_once_and_is_its_owners_alone(self, tmp_path: Path) -> None:
        key = public_key(key_of(tmp_path))
        assert public_key(key_of(tmp_path)) == key
        assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["audit.key"]

    def test_what_is_no_key_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "audit.key").write_text("nonsense")
        with pytest.raises(Misconfigured, match="backup"):
            key_of(tmp_path)
        assert (tmp_path / "audit.key").read_text() == "nonsense"

    def _read(self, home: Path) -> list[Checkpoint]:
        return read_anchor((home / "anchor").read_text().splitlines(), public_key(key_of(home)))
