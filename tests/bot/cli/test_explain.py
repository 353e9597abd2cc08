"""`slipway policy explain`, over real books."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from bot.cli import main
from bot.models import Project
from bot.policy import GATE, Facts, Review, Role, Stops
from bot.policy.load import load
from bot.policy.merge import Layer, merge
from bot.store import Store, decisions, migrate, projects

HEAD = "a" * 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    migrate(f"sqlite:///{tmp_path}/slipway.db")
    return tmp_path


def run(*argv: str) -> int:
    return main(["policy", "explain", *argv], lambda _web, _worker: 0, lambda _once: 0)


def write(home: Path, project_id: int = 1, name: str = "shop", number: int = 7) -> None:
    """One decision in the books: an approval short, by a policy of two layers."""
    policy = merge(
        [
            Layer("organization", load(b"environments: {production: {approvals: {count: 2}}}")),
            Layer("project", load(b"environments: {production: {approvals: {count: 1}}}")),
        ]
    )
    facts = Facts("production", 1, "mia", actor_person=True, actor_role=Role.ADMIN, policy=policy, stops=Stops())
    review = Review(3, "bob", True, "APPROVED", HEAD, Role.WRITE)
    facts = dataclasses.replace(
        facts, head_sha=HEAD, reviews=(review,), hands=frozenset({2}), nameless=False, author_id=2
    )

    async def fill() -> None:
        store = Store.open(f"sqlite:///{home}/slipway.db")
        project = Project(id=project_id, installation_id=9, owner="acme", name=name)
        await store.write(projects.note_project, project, 1.0)
        words = {"project_id": project_id, "number": number, "kind": "gate", "now": 1_763_672_400.0}
        await store.write(decisions.note, facts, GATE, **words)  # type: ignore[arg-type]
        store.close()

    asyncio.run(fill())


def test_each_rule_says_what_is_what_has_to_be_and_who_decided(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home)

    assert run("--pr", "7") == 0

    told = capsys.readouterr().out
    assert told.startswith("acme/shop #7, the gate: denied (")
    assert "Decided 2025-11-20 21:00:00 UTC by policy " in told
    (row,) = (line for line in told.splitlines() if " approval " in line)
    assert " no " in row and "organization" in row


def test_machines_get_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home)

    assert run("--pr", "7", "--repo", "Acme/Shop", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["repo"], told["number"], told["allowed"]) == ("acme/shop", 7, False)
    assert "approval_missing" in told["reason_codes"]
    (rule,) = (one for one in told["rules"] if one["rule"] == "approval")
    assert (rule["reason_code"], rule["layers"]) == ("approval_missing", ["organization"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--pr", "8"), "Nothing was decided about #8"),
        (("--pr", "7", "--repo", "acme/none"), "No repository acme/none"),
        (("--pr", "7"), "Several repositories have a #7"),
    ],
)
def test_what_is_not_there_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    write(home)
    write(home, project_id=2, name="desk")

    assert run(*argv) == 1
    assert words in capsys.readouterr().err


def test_without_books_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "none"))

    assert run("--pr", "7") == 1
    assert "slipway serve" in capsys.readouterr().err
