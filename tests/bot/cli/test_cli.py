"""The command line: exit codes, reasons on stderr, JSON for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import cli


def run(*argv: str) -> int:
    def nothing(*_args: object) -> int:
        return 0

    return cli.main(argv, nothing, nothing)


def test_detect_prints_one_object_with_what_the_outside_relies_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").write_text("<h1>hello</h1>")

    assert run("detect", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {"language", "framework", "package_manager", "kind", "entry", "static_dir", "port"} <= said.keys()
    assert said["kind"] == "static"


def test_detect_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Procfile").write_text("web: python app.py\n")
    (tmp_path / "app.py").write_text("print()\n")

    assert run("detect", str(tmp_path)) == 0
    assert "Procfile" in capsys.readouterr().out


def test_detect_shows_each_service_with_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("api", "web"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "app.py").write_text("import flask\napp = flask.Flask(__name__)\n")

    assert run("detect", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "2 services: flask in web/, flask in api/" in said
    assert said.index("\nflask in web/") < said.index("\nflask in api/")


def test_detect_shows_a_projects_own_words_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Procfile").write_text("web: run --with=uvicorn[standard] \x1b[31m[bold]red\n")

    assert run("detect", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "uvicorn[standard]" in said
    assert "[bold]red" in said
    assert "\x1b" not in said


def test_a_folder_with_nothing_in_it_ends_with_one_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("detect", str(tmp_path)) == 1
    assert "web:" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("detect", "/no/such/folder") == 1
    assert "/no/such/folder" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["nonsense"], ["detect", "--nonsense"]])
def test_wrong_use_ends_with_two(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    assert ended.value.code == 2


def test_no_command_prints_the_help_and_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "make demo" in capsys.readouterr().out


def test_status_without_books_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))

    assert run("status") == 1
    assert "slipway serve" in capsys.readouterr().err


def test_migrate_makes_books_that_status_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))

    assert run("migrate") == 0
    capsys.readouterr()
    assert run("status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_doctor_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.delenv("GITHUB_WEBHOOK_SECRET", raising=False)

    assert run("doctor", "--json") == 1
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert "GITHUB_WEBHOOK_SECRET" in found["settings"]["words"]
    assert found["database"]["ok"]
