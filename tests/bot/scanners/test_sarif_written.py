"""What is uploaded to code scanning: in order, complete, without a secret or an empty word."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.scanners.findings import Finding, Ran, Report
from bot.scanners.sarif import IN_SOURCE, write

SHA = "b" * 40
SQL = Finding(
    "ruff", "S608", "code", 8.0, "app.py", 7, 9, "SQL", "0123456789abcdef:0", "Use parameters.", "https://x.dev/S608"
)
KEY = Finding("kingfisher", "github-pat", "secret", 9.5, "a b#%.py", 0, 0, "A secret", "fedcba9876543210:1")
ROOT = Finding("hadolint", "DL3002", "config", 5.5, "Dockerfile", 2, 2, "root", "1111111111111111:0")
SLIGHT = dataclasses.replace(SQL, score=3.9, path="tests/a.py", fingerprint="2222222222222222:0")


def runs(report: Report) -> dict[str, Any]:
    return {run["tool"]["driver"]["name"]: run for run in write(report, SHA)["runs"]}


def everything(value: object) -> Iterator[tuple[str, object]]:
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), one
        yield from everything(one)


def test_there_is_one_run_a_tool_with_a_category_of_its_own() -> None:
    report = Report((SQL, KEY), frozenset({SQL.fingerprint}), (Ran("ruff", "0.17.5"), Ran("zizmor")))
    made = runs(report)
    assert list(made) == ["ruff", "zizmor", "kingfisher"]
    assert [made[tool]["automationDetails"]["id"] for tool in made] == [f"slipway/{tool}/" for tool in made]
    assert made["zizmor"]["results"] == [], "an empty run says that all is mended"
    assert made["ruff"]["tool"]["driver"]["version"] == "0.17.5"
    assert "version" not in made["zizmor"]["tool"]["driver"]


def test_a_scanner_without_a_report_does_not_say_that_all_is_mended() -> None:
    assert write(Report(ran=(Ran("ruff", fault="took longer than 60 s"),)), SHA)["runs"] == []
    (run,) = write(Report((SQL,), ran=(Ran("ruff", fault="took longer than 60 s"),)), SHA)["runs"]
    assert run["invocations"] == [{"executionSuccessful": False}]


def test_a_result_has_all_that_code_scanning_asks_for() -> None:
    made = runs(Report((SQL, SLIGHT, KEY), frozenset({SQL.fingerprint})))
    ruff = made["ruff"]
    (rule,) = ruff["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == "8.0", "the gravest of them"
    assert {"id", "shortDescription", "fullDescription", "help", "helpUri"} <= set(rule)
    new, old = ruff["results"]
    assert (new["baselineState"], old["baselineState"]) == ("new", "unchanged")
    assert (new["level"], old["level"]) == ("error", "note")
    assert new["partialFingerprints"] == {"primaryLocationLineHash": "0123456789abcdef:0"}
    assert new["locations"][0]["physicalLocation"]["region"] == {"startLine": 7, "endLine": 9}
    assert new["message"] == {"text": "SQL"}
    (secret,) = made["kingfisher"]["results"]
    place = secret["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b%23%25.py"
    assert place["region"] == {"startLine": 1, "endLine": 1}, "a whole file has a line too"


def test_each_result_points_at_its_own_rule() -> None:
    other = dataclasses.replace(SQL, rule="S301", score=7.5, fingerprint="3333333333333333:0")
    (run,) = write(Report((other, SQL, SLIGHT)), SHA)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == ["S301", "S608", "S608"]
    assert [one["ruleId"] for one in run["results"]] == ["S301", "S608", "S608"]


@pytest.mark.parametrize(
    ("why", "kind"),
    [(f"{IN_SOURCE}from a fixed list (until 2027-01-31)", "inSource"), (".slipway/ignore.toml: words", "external"),
     ("acknowledged by ada", "external")],
)  # fmt: skip
def test_what_is_suppressed_says_where_and_why(why: str, kind: str) -> None:
    (run,) = write(Report((dataclasses.replace(SQL, suppressed=why), SLIGHT)), SHA)["runs"]
    first, second = run["results"]
    assert first["suppressions"] == [{"kind": kind, "status": "accepted", "justification": why}]
    assert second["suppressions"] == [], "told of all results of a run, or of none"


def test_what_only_a_former_commit_has_is_told_with_it() -> None:
    (run,) = write(Report((dataclasses.replace(KEY, commit="c" * 40),)), SHA)["runs"]
    assert "c" * 40 in run["results"][0]["message"]["text"]


def test_nothing_is_empty_and_nothing_is_quoted() -> None:
    bare = Finding("x", "r", "code", 5.0, "a\udcff.py", 0, 0, "")
    report = Report((SQL, KEY, ROOT, dataclasses.replace(SQL, suppressed=""), bare), ran=(Ran("ruff"), Ran("x", "\n")))
    made = write(report, "")
    parts = list(everything(made))
    assert not [key for key, one in parts if one in ("", None)]
    assert "snippet" not in {key for key, _one in parts}
    assert b"a%FF.py" in json.dumps(made, ensure_ascii=False).encode()
    assert (made["version"], made["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
