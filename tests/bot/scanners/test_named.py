"""Scanners that the server's operator describes: they run like any other, and their reports are trusted no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.builds.chosen import chosen
from bot.policy.scanning import Scanner
from bot.scanners.findings import Finding, Ran
from bot.scanners.named import engine, program
from bot.scanners.running import edition, scan
from bot.scanners.tools import SCANNERS, Tool
from runners.process.locked import ProcessBox
from tests.bot.scanners.test_running import SARIF

RULES = """
rules:
  - id: no-shell
    message: no shells here
    severity: ERROR
    languages: [python]
    pattern: os.system(...)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's PATH has a folder more."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "said.sarif").write_text(SARIF)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def put(folder: Path, script: str, name: str = "acme-lint", version: str = "4.5.6") -> None:
    program = folder / name
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit; fi\n{script}\n')
    program.chmod(0o755)


async def look(tool: Tool, top: Path, **files: str) -> tuple[list[Finding], Ran]:
    root = top / "tree"
    root.mkdir(exist_ok=True)
    for name, text in (files or {"a.py": "fault\n"}).items():
        (root / name.replace("_", ".")).write_text(text)
    names = sorted(each.name for each in root.iterdir())
    findings, (ran,) = await scan(root, names, ProcessBox(), top / "cache", [tool])
    return findings, ran


def lint(*words: str, needed: bool = True) -> Tool:
    return program("acme", ["acme-lint", *words], ["**/*.py"], needed=needed)


async def test_a_printed_report_is_read(path: Path, tmp_path: Path) -> None:
    put(path, f'[ "$1 $2" = "--sarif ./a.py" ] && cat {path}/said.sarif; exit 1')
    (found,), ran = await look(lint("--sarif", "{files}"), tmp_path)
    assert (found.tool, found.rule, found.path) == ("acme", "R1", "a.py")
    assert (ran.tool, ran.version, ran.fault) == ("acme", "4.5.6", None)


async def test_a_report_in_a_file_is_read_and_nothing_of_it_stays(path: Path, tmp_path: Path) -> None:
    put(path, f'echo noise; touch "$(dirname "$2")/left"; cat {path}/said.sarif > "$2"')
    found, ran = await look(lint("--out", "{report}", "."), tmp_path)
    assert ran.fault is None and len(found) == 1
    assert list((tmp_path / "cache" / "acme").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("true", "it wrote no report"),
        ('ln -s /etc/hostname "$1"', "it wrote no report"),
        ('mkfifo "$1"', "is no file"),
        ('mkdir "$1"', "is no file"),
        ('echo half > "$1"', "no JSON"),
        ('touch "$1"; exit 2', "2"),
    ],
)
async def test_what_is_no_report_is_a_fault(path: Path, tmp_path: Path, script: str, words: str) -> None:
    put(path, script)
    found, ran = await look(lint("{report}"), tmp_path)
    assert found == [] and ran.needed and words in str(ran.fault)


async def test_a_link_to_a_report_elsewhere_is_not_followed(path: Path, tmp_path: Path) -> None:
    put(path, f'ln -s {path}/said.sarif "$1"')
    found, ran = await look(lint("{report}"), tmp_path)
    assert found == [] and ran.fault == "it wrote no report"


async def test_it_has_no_network_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    if not await ProcessBox().isolates():
        pytest.skip("no namespaces here")
    writes = f"touch ./new {path}/new 2>/dev/null && exit 9"
    reaches = "grep -v lo: /proc/net/dev | grep -q : && exit 8"
    put(path, f"{writes}; {reaches}; cat {path}/said.sarif")
    found, ran = await look(lint(), tmp_path)
    assert ran.fault is None and len(found) == 1
    assert not (tmp_path / "tree" / "new").exists() and not (path / "new").exists()


async def test_it_is_missed_where_it_is_not_installed(path: Path, tmp_path: Path) -> None:
    _found, ran = await look(lint(), tmp_path)
    assert "acme-lint on the PATH" in str(ran.fault) and ran.needed


async def test_one_that_looks_for_secrets_is_not_quoted(path: Path, tmp_path: Path) -> None:
    (path / "said.sarif").write_text(SARIF.replace("a fault", "hunter2 is the password"))
    put(path, f"cat {path}/said.sarif")
    (found,), _ran = await look(program("acme-secrets", ["acme-lint"], ["*"], needed=True), tmp_path)
    assert found.kind == "secret" and "hunter2" not in repr(found)


async def test_what_it_found_is_kept_for_its_version_and_words_only(path: Path) -> None:
    put(path, "true")
    one = await edition([lint("--strict")])
    assert one == await edition([lint("--strict")])
    assert one != await edition([lint()])
    put(path, "true  # the next one", version="4.5.7")
    assert one != await edition([lint("--strict")])


async def test_one_that_has_no_version_is_known_by_its_file(path: Path) -> None:
    put(path, "true", version="none")
    one = await edition([lint()])
    os.utime(path / "acme-lint", (1, 1))
    assert one != await edition([lint()])


async def test_one_that_can_not_say_its_version_is_a_fault_of_its_own(path: Path, tmp_path: Path) -> None:
    (path / "acme-lint").write_text("no program at all")
    (path / "acme-lint").chmod(0o755)
    assert "acme unknown" in await edition([lint()])
    _found, ran = await look(lint(), tmp_path)
    assert "could not be run" in str(ran.fault)


async def test_a_teams_own_rules_are_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "ours.yaml").write_text(RULES)
    tool = engine("acme-rules", folder, ["**/*.py"], needed=True)
    before = await edition([tool])

    (found,), ran = await look(tool, tmp_path, a_py="import os\n\nos.system(a)  # nosemgrep\n")

    assert ran.fault is None
    assert (found.tool, found.rule, found.line, found.severity.word) == ("acme-rules", "no-shell", 3, "high")
    (folder / "more.yml").write_text(RULES.replace("no-shell", "another"))
    assert await edition([tool]) != before


@pytest.mark.parametrize("text", ["", "rules: 3", "rules: [", "rules: [{message: x}]"])
async def test_rules_that_are_none_are_a_fault(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "ours.yaml").write_text(text)
    _found, ran = await look(engine("acme-rules", folder, ["**/*.py"], needed=True), tmp_path)
    assert "could not be run" in str(ran.fault)


def test_a_policy_chooses_among_what_there_is() -> None:
    offer = Scanner("acme", ("acme-lint",), files=("**",), wanted=False)
    names = {tool.name for tool in SCANNERS}

    tools, unknown = chosen(SCANNERS, [offer])
    assert {tool.name for tool in tools} == names and unknown == []

    tools, unknown = chosen(SCANNERS, [Scanner("acme", ("acme-lint",), files=("**",)), Scanner("trivy")])
    assert {tool.name for tool in tools} == {*names, "acme"}
    assert [tool.needed for tool in tools if tool.name in ("trivy", "acme")] == [True, True]

    _tools, unknown = chosen(SCANNERS, [Scanner("trivvy"), Scanner("kingfisher", needed=False)])
    assert [(one.tool, one.needed) for one in unknown] == [("trivvy", True)]
    assert next(tool for tool in _tools if tool.name == "kingfisher").needed
