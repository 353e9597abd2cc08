"""`slipway audit`: what it says of whole books and of others, and what it gives away."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlmodel import Session

from bot import cli
from bot.audit import Checkpoint, Entry, Ruling, sign
from bot.models import AuditEntry, Project
from bot.store import audit, engine, migrate
from bot.store.anchor import key_of

NOW = 1_800_000_000.0
ARTIFACT = "sha256:" + "a" * 64
PROMOTED = Entry(
    "release.promoted",
    NOW,
    project_id=1,
    number=2,
    environment="production",
    artifact=ARTIFACT,
    policy_digest="b" * 64,
    verdict=(Ruling("approval", True),),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three lines in the books, the last one a promotion."""
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_BASE_URL", "https://slipway.example.org")
    migrate(_url(tmp_path))
    _write(tmp_path, Entry("preview.accepted", NOW), Entry("preview.live", NOW), PROMOTED)
    return tmp_path


def _url(home: Path) -> str:
    return f"sqlite:///{home}/slipway.db"


def _write(home: Path, *entries: Entry) -> AuditEntry:
    writing = engine.writing(_url(home))
    with Session(writing, expire_on_commit=False) as session:
        session.merge(Project(id=1, installation_id=5, owner="acme", name="app"))
        rows = [audit.append(session, entry) for entry in entries]
        session.commit()
    writing.dispose()
    return rows[-1]


def _tamper(home: Path, *statements: str) -> None:
    raw = sqlite3.connect(home / "slipway.db")
    for name in engine.GUARDS:
        raw.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        raw.execute(statement)
    raw.commit()
    raw.close()


def _anchor(home: Path, name: str = "elsewhere") -> Path:
    """An anchor that has seen all there is."""
    last = _write(home, Entry("preview.removed", NOW))
    path = home / name
    path.write_text(sign(Checkpoint(last.seq, last.digest, int(NOW)), key_of(home)) + "\n")
    return path


def run(*argv: str) -> int:
    def nothing(*_args: object) -> int:
        return 0

    return cli.main(argv, nothing, nothing)


def test_whole_books_end_with_zero(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", "verify") == 0
    said = capsys.readouterr().out
    assert "3 lines" in said
    assert "--anchor" in said  # nothing was compared, and it says so


def test_the_anchor_is_compared_when_it_is_named_and_ours_without_asking(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("audit", "verify", "--anchor", str(_anchor(home))) == 0
    assert "1 checkpoints" in capsys.readouterr().out
    _anchor(home, "audit.anchor")
    assert run("audit", "verify", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["lines"], said["checkpoints"], said["problem"]) == (True, 5, 1, None)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit_entry SET payload = replace(payload, 'live', 'gone') WHERE seq = 2", "Line 2 is not what"),
        ("DELETE FROM audit_entry WHERE seq = 2", "Line 2 is missing"),
    ],
)
def test_a_changed_or_deleted_line_ends_with_one(
    home: Path, capsys: pytest.CaptureFixture[str], statement: str, words: str
) -> None:
    _tamper(home, statement)
    assert run("audit", "verify") == 1
    told = capsys.readouterr().err
    assert words in told
    assert "trigger audit_entry_delete is gone" in told


def test_a_swapped_pair_ends_with_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swap = [(2, 99), (1, 2), (99, 1)]
    _tamper(home, *(f"UPDATE audit_entry SET seq = {new} WHERE seq = {old}" for old, new in swap))
    assert run("audit", "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["problem"]["kind"] == "moved"


def test_a_cut_tail_ends_with_one_when_the_anchor_is_given(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor = _anchor(home)
    _tamper(home, "DELETE FROM audit_entry WHERE seq > 2")
    assert run("audit", "verify") == 0
    assert run("audit", "verify", "--anchor", str(anchor)) == 1
    assert "end with line 2" in capsys.readouterr().err


def test_a_forged_anchor_ends_with_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor = _anchor(home)
    anchor.write_text(anchor.read_text().replace('"seq":4', '"seq":3'))
    assert run("audit", "verify", "--anchor", str(anchor)) == 1
    assert "no valid signature" in capsys.readouterr().err


def test_an_anchor_of_another_house_ends_with_one(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    anchor = tmp_path / "elsewhere"
    anchor.write_text(sign(Checkpoint(1, "0" * 64, 1), key_of(other)) + "\n")
    key_of(home)
    assert run("audit", "verify", "--anchor", str(anchor)) == 1
    assert "another key" in capsys.readouterr().err


def test_an_anchor_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", "verify", "--anchor", str(home / "nowhere")) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["verify", "export"])
def test_without_books_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "none"))
    assert run("audit", verb) == 1
    assert "slipway serve" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_old_books_are_pointed_to_migrate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    sqlite3.connect(tmp_path / "slipway.db").close()
    assert run("audit", "verify") == 1
    assert "slipway migrate" in capsys.readouterr().err


def test_lines_are_exported_in_order(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", "export", "--format", "jsonl") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["seq"] for one in said] == [1, 2, 3]
    assert [one["entry"]["what"] for one in said] == ["preview.accepted", "preview.live", "release.promoted"]


def test_a_promotion_is_exported_as_a_statement_that_names_the_repository(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("audit", "export", "--format", "intoto") == 0
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert said["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert said["subject"][0]["digest"] == {"sha256": "a" * 64}
    assert said["predicate"]["resourceUri"] == "https://github.com/acme/app/deployments/production"
    assert said["predicate"]["verifier"]["id"] == "https://slipway.example.org"
    assert said["predicate"]["verificationResult"] == "PASSED"


def test_books_that_cannot_be_read_are_pointed_to_verify(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tamper(home, "UPDATE audit_entry SET payload = 'no JSON' WHERE seq = 2")
    assert run("audit", "export") == 1
    assert "slipway audit verify" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["audit"], ["audit", "nonsense"], ["audit", "export", "--format", "xml"]])
def test_wrong_use_ends_with_two(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    assert ended.value.code == 2
