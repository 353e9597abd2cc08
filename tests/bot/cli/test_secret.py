"""`slipway secret`: set from standard input, listed without values, forgotten."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from sqlmodel import Session

from bot.store import engine, secrets
from tests.bot.cli.conftest import slipway

VALUE = "value-" + "9876543210" * 2


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def set_key(project: str = "acme/shop", env: str = "preview", name: str = "KEY") -> int:
    return slipway("secret", "set", "--project", project, "--env", env, name)


def kept(known: str, home: Path) -> dict[str, str]:
    reading = engine.reading(known, 1)
    with Session(reading) as session:
        found = secrets.values(session, home, 1, "preview")
    reading.dispose()
    return found


def test_the_value_comes_from_standard_input_and_is_never_shown(
    known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, f"{VALUE}\n")
    assert set_key() == 0
    assert kept(known, tmp_path) == {"KEY": VALUE}

    assert slipway("secret", "list") == 0
    assert slipway("secret", "list", "--json") == 0
    told = capsys.readouterr()
    assert VALUE not in told.out + told.err
    assert '"name": "KEY"' in told.out and '"project": "acme/shop"' in told.out


def test_one_that_is_forgotten_is_listed_no_more(
    known: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, VALUE)
    set_key()
    assert slipway("secret", "remove", "--project", "acme/shop", "--env", "preview", "KEY") == 0
    capsys.readouterr()

    assert slipway("secret", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert slipway("secret", "remove", "--project", "acme/shop", "--env", "preview", "KEY") == 1
    assert "is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), ("\n", "empty"), ("a\0b", "zero byte"), ("x" * 70_000, "64 KiB")]
)
def test_what_is_no_value_is_refused(
    known: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    give(monkeypatch, text)

    assert set_key() == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["PORT", "HOST", "SLIPWAY_URL", "a-b", "", "1A"])
def test_names_that_slipway_sets_or_no_shell_takes_are_wrong_use(known: str, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        set_key(name=name)
    assert ended.value.code == 2


def test_a_repository_that_nobody_serves_is_said(
    known: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, VALUE)

    assert set_key("acme/other") == 1
    assert "No repository acme/other is served here" in capsys.readouterr().err
