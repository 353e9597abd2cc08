"""Scanners that a policy names, end to end: the server says how one is started, a repository only that it looks."""

# ruff: noqa: F811 - a fixture from elsewhere
from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.store import projects
from tests.bot.scanners.test_running import SARIF
from tests.house import SERVER, House
from tests.test_scan import concludes, home  # noqa: F401 - the fixture

pytestmark = pytest.mark.slow
FLOOR = """\
scan:
  scanners:
    - {{name: acme-lint, command: [acme-lint, "{{files}}"], files: ["*.py"], everywhere: {everywhere}}}
"""
NAMED = "scan: {scanners: [{name: acme-lint}]}\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the server's PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def put(folder: Path, script: str) -> None:
    (folder / "said.sarif").write_text(SARIF.replace('"ruleId": "R1"', '"ruleId": "R1", "level": "error"'))
    program = folder / "acme-lint"
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "1.2.3"; exit; fi\n{script}\n')
    program.chmod(0o755)


async def under(home: House, tmp_path: Path, everywhere: bool) -> None:
    """Start again with a policy of the server's own."""
    await home.stop()
    floor = tmp_path / "floor.yml"
    floor.write_text(FLOOR.format(everywhere=str(everywhere).lower()))
    home.settings = home.settings.model_copy(update={"policy": floor})
    await home.start()


async def agreed(home: House, text: str) -> None:
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "A policy", "meg")


async def test_what_the_server_describes_looks_everywhere_and_stands_in_the_check(
    home: House, path: Path, tmp_path: Path
) -> None:
    put(path, f"cat {path}/said.sarif")
    await under(home, tmp_path, everywhere=True)
    number = await home.propose({**SERVER, "a.py": "fault\n"})

    run = await concludes(home, number, "failure")

    assert "acme-lint" in run.summary and "R1" in run.summary
    assert [one["path"] for one in run.annotations] == ["a.py"]


async def test_an_offer_looks_only_where_the_default_branch_names_it(home: House, path: Path, tmp_path: Path) -> None:
    put(path, f"cat {path}/said.sarif")
    await under(home, tmp_path, everywhere=False)
    number = await home.propose({**SERVER, "a.py": "fault\n", ".slipway.yml": NAMED})
    assert "acme-lint" not in (await concludes(home, number, "success")).summary  # a change says nothing here

    await agreed(home, NAMED)
    await home.push({"a.py": "fault, still\n"})

    assert "acme-lint" in (await concludes(home, number, "failure")).summary


async def test_one_that_is_named_and_breaks_or_is_not_there_is_no_pass(home: House, path: Path, tmp_path: Path) -> None:
    put(path, "echo nonsense")
    await under(home, tmp_path, everywhere=False)
    await agreed(home, "scan: {scanners: [{name: acme-lint}, {name: acme-lynt}]}\n")
    number = await home.propose({**SERVER, "a.py": "fault\n"})

    run = await concludes(home, number, "action_required")

    assert "acme-lint" in run.summary and "no JSON" in run.summary
    assert "acme-lynt" in run.summary and "no scanner of that name" in run.summary


async def test_a_repository_can_start_nothing_of_its_own(home: House, path: Path, tmp_path: Path) -> None:
    put(path, f"cat {path}/said.sarif")
    await under(home, tmp_path, everywhere=False)
    await agreed(home, 'scan: {scanners: [{name: mine, command: [acme-lint], files: ["*"]}]}\n')
    number = await home.propose({**SERVER, "a.py": "fault\n"})

    assert "acme-lint" not in (await concludes(home, number, "success")).summary

    assert home.service is not None
    project = await home.service.store.read(projects.project, home.github.hub.repo(home.repo).id)
    assert project is not None
    denied = (await home.service.policies.held(project, live=True)).fault
    assert denied is not None and "can only be said in the server's own policy" in str(denied)
