"""Scanners that are used where they are found: the real ones where they are on PATH, else what their manuals print."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.scanners.findings import Finding, Ran
from bot.scanners.running import scan
from bot.scanners.tools import SCANNERS, Tool
from runners.process.locked import ProcessBox

TOOLS = {tool.name: tool for tool in SCANNERS}
EXTRAS = ("gitleaks", "trivy", "checkov", "osv-scanner", "eslint")
TERRAFORM = """\
resource "aws_s3_bucket" "b" {
  #checkov:skip=CKV_AWS_20:we know
  bucket = "x"
  acl    = "public-read"
}
"""
SCRIPT = """\
const cp = require("child_process");
module.exports = (q) => {
  /* eslint-disable */
  cp.exec("ls " + q.name); // eslint-disable-line
};
"""


def sarif(name: str, rule: str, uri: str, line: int, **more: Any) -> str:
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}
    result = {"ruleId": rule, "message": {"text": "said"}, "locations": [place], **more.pop("result", {})}
    driver = {"name": name, "rules": [{"id": rule, **more}]}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": [result]}]})


async def look(tool: Tool, top: Path, **files: str) -> tuple[list[Finding], Ran]:
    root = top / "tree"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    findings, (ran,) = await scan(root, [*files], ProcessBox(), top / "cache", [tool])
    return findings, ran


def test_nothing_is_amiss_without_them() -> None:
    assert [tool.needed for tool in SCANNERS if tool.name in EXTRAS] == [False] * len(EXTRAS)


@pytest.mark.skipif(shutil.which("checkov") is None, reason="checkov is not on PATH")
async def test_checkov_obeys_no_file_and_no_comment_of_the_tree(tmp_path: Path) -> None:
    config = "soft-fail: true\nskip-check: [CKV_AWS_20, CKV_DOCKER_7]\n"
    files = {"infra/-main.tf": TERRAFORM, "Dockerfile": "FROM python:latest\n", ".checkov.yaml": config}
    found, ran = await look(TOOLS["checkov"], tmp_path, **files)
    assert ran.fault is None and ran.version
    rules = {(one.rule, one.path): one.severity.word for one in found}
    assert rules["CKV_AWS_20", "infra/-main.tf"] == "high"
    assert rules["CKV_DOCKER_7", "Dockerfile"] == "medium"
    assert list((tmp_path / "cache" / "checkov").iterdir()) == []


@pytest.mark.skipif(TOOLS["eslint"].binary() is None, reason="eslint with its plugin is not on PATH")
async def test_eslint_obeys_no_file_and_no_comment_of_the_tree(tmp_path: Path) -> None:
    files = {"src/-a.js": SCRIPT, "eslint.config.js": "module.exports = [{ignores: ['**']}]\n"}
    found, ran = await look(TOOLS["eslint"], tmp_path, **files)
    assert ran.fault is None and ran.version
    assert ("sonarjs/os-command", "src/-a.js", 4, "high") in [
        (one.rule, one.path, one.line, one.severity.word) for one in found
    ]


@pytest.mark.skipif(TOOLS["eslint"].binary() is None, reason="eslint with its plugin is not on PATH")
async def test_a_script_that_eslint_can_not_read_is_no_report_of_it(tmp_path: Path) -> None:
    _found, ran = await look(TOOLS["eslint"], tmp_path, **{"a.js": "let x = ;\n"})
    assert "did not come to its end" in str(ran.fault) and not ran.needed


# What these print is their manuals' word: they can't be had where this was written.
STOOD_IN = [
    ("gitleaks", "conf.txt", sarif("gitleaks", "aws-access-token", "conf.txt", 2), "secret", "critical"),
    (
        "trivy",
        "main.tf",
        sarif("Trivy", "AVD-AWS-0107", "main.tf", 2, properties={"security-severity": "8.0"}),
        "config",
        "high",
    ),
    (
        "osv-scanner",
        "web/package-lock.json",
        sarif("osv-scanner", "CVE-2021-23337", "file:///ROOT/web/package-lock.json", 1,
              properties={"security-severity": "7.2"}, result={"level": "warning"}),
        "dependency",
        "high",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "report", "kind", "step"), STOOD_IN, ids=[one[0] for one in STOOD_IN])
async def test_what_a_manual_says_it_prints_is_read(
    name: str, path: str, report: str, kind: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "report").write_text(report.replace("/ROOT", str((tmp_path / "tree").resolve())))
    program = folder / name
    program.write_text(f'#!/bin/sh\ncase "$1" in *version) echo {name} 9.8.7;; *) cat {folder}/report;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    (found,), ran = await look(TOOLS[name], tmp_path, **{path: "one\ntwo\n"})

    assert (ran.fault, ran.version, ran.needed) == (None, "9.8.7", False)
    assert (found.tool, found.path, found.kind, found.severity.word) == (name, path, kind, step)


async def test_no_lock_that_osv_scanner_knows_is_nothing_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "osv-scanner"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 2.0.0 || exit 128\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found, ran = await look(TOOLS["osv-scanner"], tmp_path, **{"requirements.txt": "# none\n"})
    assert (found, ran.fault) == ([], None)
