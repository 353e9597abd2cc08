"""What the scanners find of known faults, and what they say of a clean pair: the real ones, in their box."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from rich.console import Console
from rich.table import Table

from bot.messages.scan import Limits, checks, line, told_secret, twin
from bot.scanners.dependencies import MANIFESTS, Registries, examine, read
from bot.scanners.findings import Finding, Ran, Report, Severity
from bot.scanners.running import scan
from bot.scanners.sarif import write
from runners.process.locked import ProcessBox
from tests.bot.scanners.kept import CACHE
from tests.bot.scanners.planted import CLASSES, KINDS, Class, Fault, Planted, hits, plant, tidy
from tests.bot.scanners.planted.keys import checked
from tests.bot.scanners.planted.registry import NOW, serve

pytestmark = pytest.mark.slow

BARS: dict[Class, float] = {"secret": 0.85, "python": 0.70, "javascript": 0.75, "docker": 0.0, "workflow": 1.0}
HEAD = "a" * 40
RULES = {  # by what is wrong with a dependency
    "not in the registry": "not-in-registry",
    "near miss": "near-miss-name",
    "too new": "too-new",
    "known vulnerable": "GHSA-0002-0002-0002",
    "npm: not in the registry": "not-in-registry",
    "npm: near miss": "near-miss-name",
    "npm: too new": "too-new",
    "npm: known vulnerable": "GHSA-0003-0003-0003",
    "npm: malware": "GHSA-0004-0004-0004",
}


@dataclasses.dataclass(frozen=True)
class Scanned:
    """What was scanned, and what came of it."""

    findings: list[Finding]
    ran: list[Ran]
    planted: Planted | None = None

    @property
    def report(self) -> Report:
        """As of a change in which all of it is new."""
        return Report(tuple(self.findings), frozenset(one.fingerprint for one in self.findings), tuple(self.ran))


def scanned(root: Path, paths: Sequence[str], cache: Path, planted: Planted | None = None) -> Scanned:
    async def run() -> tuple[list[Finding], list[Ran]]:
        box = ProcessBox()
        try:
            return await scan(root, paths, box, cache)
        finally:
            await box.close()

    return Scanned(*asyncio.run(run()), planted)


@pytest.fixture(scope="module")
def cache() -> Path:
    return CACHE


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Scanned:
    planted = plant(tmp_path_factory.mktemp("planted"))
    return scanned(planted.root, planted.paths, cache, planted)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Scanned:
    root = tmp_path_factory.mktemp("clean")
    return scanned(root, tidy(root), cache)


def recall(faulty: Scanned) -> dict[Class, tuple[list[Fault], list[Fault]]]:
    """By class: what was found, what was missed."""
    assert faulty.planted is not None
    found = hits(faulty.planted.faults, faulty.findings)
    return {
        cls: (
            [one for one, hit in found.items() if hit and one.cls == cls],
            [one for one, hit in found.items() if not hit and one.cls == cls],
        )
        for cls in CLASSES
        if cls != "dependency"
    }


def test_every_scanner_has_given_a_report(faulty: Scanned, clean: Scanned) -> None:
    for one in (faulty, clean):
        assert {ran.tool: ran.fault for ran in one.ran if ran.fault and ran.needed} == {}
        assert len([ran for ran in one.ran if ran.needed]) >= 5


def test_the_planted_faults_are_found(faulty: Scanned, clean: Scanned, capsys: pytest.CaptureFixture[str]) -> None:
    by_class = recall(faulty)
    with capsys.disabled():
        show(by_class, clean)
    shares = {cls: len(hit) / (len(hit) + len(miss)) for cls, (hit, miss) in by_class.items()}
    assert {cls: share for cls, share in shares.items() if share < BARS[cls]} == {}


def test_nothing_of_the_clean_pair_would_stop_a_merge(clean: Scanned) -> None:
    gating = [one for one in clean.findings if one.severity >= Severity.HIGH or one.kind == "secret"]
    assert [(one.tool, one.rule, one.path, one.line) for one in gating] == []


def test_leaked_keys_of_providers_are_critical_and_keep_a_preview_from_starting(faulty: Scanned) -> None:
    assert faulty.planted is not None
    told = told_secret(faulty.report)
    assert told is not None
    env = [one for one in faulty.findings if one.path == ".env" and one.kind == "secret"]
    assert {one.severity for one in env} == {Severity.CRITICAL}


async def examined(root: Path, paths: Sequence[str]) -> Scanned:
    """The dependencies of a project that is all new."""
    manifests = {path: (root / path).read_bytes() for path in paths if MANIFESTS(path)}
    every, faults = read(manifests)
    assert (bool(every), faults) == (True, [])
    async with serve() as (indexes, advisories):
        registries = Registries(indexes)
        try:
            return Scanned(*await examine(every, every, registries, advisories, NOW))
        finally:
            await registries.close()


async def test_every_bad_dependency_is_found_for_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted = plant(tmp_path)
    one = await examined(tmp_path, planted.paths)
    assert {ran.tool: ran.fault for ran in one.ran if ran.fault} == {}
    wanted = [fault for fault in planted.faults if fault.cls == "dependency"]
    told = {(found.path, found.line, found.rule) for found in one.findings}
    missed = [fault for fault in wanted if (fault.path, fault.line, RULES[fault.name]) not in told]
    with capsys.disabled():
        print(f"\nPlanted dependencies: {len(wanted) - len(missed)} of {len(wanted)}")
    assert missed == []
    assert {(found.path, found.line) for found in one.findings} == {(fault.path, fault.line) for fault in wanted}
    assert [found.kind for found in one.findings if "evil-anchor" in found.message] == ["malware"]


async def test_the_clean_pair_depends_on_nothing_bad(tmp_path: Path) -> None:
    one = await examined(tmp_path, tidy(tmp_path))
    assert {ran.tool: ran.fault for ran in one.ran if ran.fault} == {}
    assert one.findings == []


@pytest.mark.parametrize("name", ["deploy/backup.zip", "deploy/server.key", "docs/plan.docx", "lib/shop.jar", "x.gz"])
def test_a_key_in_a_file_that_is_only_called_an_archive_is_found(name: str, tmp_path: Path, cache: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"token = {checked('ghp_', Random())}\n")
    one = scanned(tmp_path, [name], cache)
    assert [ran.fault for ran in one.ran if ran.needed] == [None]
    assert [(finding.path, finding.line, finding.severity) for finding in one.findings][:1] == [
        (name, 1, Severity.CRITICAL)
    ]


def test_no_secret_is_repeated_anywhere(faulty: Scanned, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    assert faulty.planted is not None
    report = faulty.report
    with caplog.at_level(logging.DEBUG):
        said = {
            "findings": json.dumps(report.as_json()),
            "SARIF": json.dumps(write(report, HEAD)),
            "checks": "\n".join(str(one) for one in checks(report, Limits(), HEAD)),
            "comment": line(report) + json.dumps(twin(report)) + json.dumps(told_secret(report)),
            "repr": repr(faulty.ran) + repr(faulty.findings),
            "log": caplog.text,
        }
    for where, text in said.items():
        whole = text + text.replace("\\/", "/")
        assert [at for at, one in enumerate(faulty.planted.secrets) if one in whole] == [], where
    assert "checks" in said
    assert len(said["SARIF"]) > 1000


def test_what_scanners_keep_between_runs_holds_no_secret(faulty: Scanned, cache: Path) -> None:
    assert faulty.planted is not None
    kept = [one for one in cache.rglob("*") if one.is_file()]
    assert kept
    texts = re.compile(b"|".join(re.escape(one.encode()) for one in faulty.planted.secrets))
    assert [one.name for one in kept if texts.search(one.read_bytes())] == []


def show(by_class: dict[Class, tuple[list[Fault], list[Fault]]], clean: Scanned) -> None:
    """Recall, and the noise on the clean pair."""
    table = Table("class", "found", "of", "recall", "asked", "missed", title="Planted faults")
    for cls, (hit, miss) in by_class.items():
        every = len(hit) + len(miss)
        noted = ", ".join(one.name for one in miss)
        table.add_row(
            cls, str(len(hit)), str(every), f"{len(hit) / every:.0%}", f"{BARS[cls]:.0%}" if BARS[cls] else "–", noted
        )
    noise = Table("class", "findings", "high or critical", title="The clean pair")
    for cls in by_class:
        mine = [one for one in clean.findings if one.kind in KINDS[cls] and _of(one.path) == cls]
        noise.add_row(cls, str(len(mine)), str(sum(one.severity >= Severity.HIGH for one in mine)))
    console = Console(file=(text := io.StringIO()), width=140)
    console.print(table, noise)
    print("\n" + text.getvalue())


def _of(path: str) -> Class:
    ends: dict[str, Class] = {".py": "python", ".js": "javascript", ".ejs": "javascript", ".yml": "workflow"}
    return "docker" if path.endswith("Dockerfile") else ends.get(Path(path).suffix, "secret")
