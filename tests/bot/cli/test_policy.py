"""`slipway policy`: what it says of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import cli


def run(*argv: str) -> int:
    return cli.main(["policy", *argv], lambda _web, _worker: 0, lambda _once: 0)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_check_says_what_a_policy_changes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".slipway.yml").write_text("environments: {production: {soak: 15m, approvals: {count: 0}}}\n")
    assert run("check") == 0
    said = capsys.readouterr().out
    assert ".slipway.yml is a policy." in said
    rows = [" ".join(line.replace("│", " ").split()) for line in said.splitlines()]
    assert "environments.production.soak 0s 15m tighter" in rows
    assert "environments.production.approvals.count 1 0 looser" in rows


def test_check_without_a_file_says_that_the_defaults_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    assert "the defaults hold" in capsys.readouterr().out


def test_check_of_an_empty_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty.yml").write_text("")
    assert run("check", "empty.yml") == 0
    assert capsys.readouterr().out == "empty.yml is a policy; it says what holds without it.\n"


def test_check_tells_each_fault_on_a_line_that_editors_jump_to(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "policy.yml").write_text("version: 3\nenvironments: {production: {soak: 5}}\n")
    assert run("check", "policy.yml") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        'policy.yml:1:10: version: "3" is none of 1',
        "policy.yml:2:35: environments.production.soak: say the unit of 5: 90s, 15m, 24h or 7d",
    ]


def test_check_for_machines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "good.yml").write_text("environments: {production: {soak: 15m}}\n")
    (here / "bad.yml").write_text("soak: 15m\n")
    assert run("check", "good.yml", "--json") == 0
    good = json.loads(capsys.readouterr().out)
    assert (good["file"], good["ok"], len(good["digest"])) == ("good.yml", True, 64)
    assert good["changes"] == [
        {
            "path": "environments.production.soak",
            "way": "tighter",
            "default": "0s",
            "is": "15m",
            "not_yet": False,
        },
    ]
    assert run("check", "bad.yml", "--json") == 1
    bad = json.loads(capsys.readouterr().out)
    assert bad["ok"] is False
    assert bad["faults"] == [
        {
            "line": 1,
            "column": 1,
            "path": "soak",
            "words": "this does not belong here, but under environments.production",
        }
    ]


def test_check_of_a_file_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "gone.yml") == 1
    assert capsys.readouterr().err == "slipway: There is no file gone.yml.\n"
    assert run("check", str(here)) == 1
    assert "can't be read" in capsys.readouterr().err


def test_a_file_says_nothing_to_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "evil.yml").write_text('"\\e[31mred\\e[0m": 1\nconfirm: "[bold]x"\n')
    assert run("check", "evil.yml") == 1
    assert "\x1b" not in capsys.readouterr().err


def test_schema_is_printed_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Policy"


def test_a_verb_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2
    assert "VERB" in capsys.readouterr().err
