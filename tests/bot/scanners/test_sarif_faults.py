"""What is no report is said in words, and never passes for one without findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.scanners import sarif
from bot.scanners.findings import Finding
from bot.scanners.sarif import NoReport, read
from tests.bot.scanners.test_sarif import a_key, log, none, result, seen


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"error: no such option", "no JSON"),
        (log(result())[:-9], "no JSON"),
        (b"\x00\xff\xfe" * 99, "no JSON"),
        (b"[]", "no SARIF"),
        (b"17", "no SARIF"),
        (b"null", "no SARIF"),
        (b"NaN", "no SARIF"),
        (b"{}", "no SARIF"),
        (b'{"version": "1.0.0", "runs": []}', "no SARIF"),
        (b'{"version": "2.1.0"}', "no runs"),
        (b'{"version": "2.1.0", "runs": []}', "no runs"),
        (b'{"version": "2.1.0", "runs": {"a": 1}}', "no runs"),
        (b'{"version": "2.1.0", "runs": [7]}', "no runs"),
        (b'{"version": "2.1.0", "runs": [{}]}', "which tool"),
        (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]}', "no results"),
        (log("words"), "no object"),  # type: ignore[arg-type]
        (log(result(), invocations=[{"executionSuccessful": False}]), "did not come to its end"),
        (b'{"version": "2.1.0", "a": ' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64"),
        (b"[" * 200_000, "no JSON"),
        (b'{"version": "2.1.0", "runs": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_what_is_no_report_is_said_in_words(tmp_path: Path, raw: bytes, words: str) -> None:
    with pytest.raises(NoReport, match=words):
        seen(raw, tmp_path)


def test_a_fault_does_not_repeat_what_was_printed(tmp_path: Path) -> None:
    key = a_key()
    with pytest.raises(NoReport) as caught:
        seen(f'{{"version": "{key}'.encode(), tmp_path)
    assert key not in str(caught.value)


def test_a_report_that_is_too_large_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "LARGEST", 100)
    with pytest.raises(NoReport, match="100 are read"):
        seen(b" " * 101, tmp_path)


def test_of_too_many_findings_only_slight_ones_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST", 3)
    asserts = [result(line=line, rule="S101") for line in range(1, 9)]
    found = seen(log(*asserts, result(line=9, rule="S608")), tmp_path)
    assert [one.rule for one in found] == ["S101", "S101", "S608"]
    with pytest.raises(NoReport, match="4 findings; 3 are read"):
        seen(log(*(result(line=line, rule="S608") for line in range(1, 5))), tmp_path)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["tool", "driver", "rules", "id", "results", "locations", "physicalLocation",
                         "artifactLocation",
                         "uri", "uriBaseId", "region", "startLine", "message", "text", "arguments", "properties",
                         "security-severity", "ruleIndex", "ruleId", "level", "invocations", "helpUri"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(odd=ODD, key=st.sampled_from(["tool", "results", "originalUriBaseIds", "invocations", "", "rule", "place"]))
def test_whatever_is_wrong_inside_it_is_a_report_or_none(odd: Any, key: str) -> None:
    one = result()
    if key == "rule":
        raw = log(
            one, tool={"driver": {"name": "x", "rules": [odd, {"id": "S301", "properties": odd, "helpUri": odd}]}}
        )
    elif key == "place":
        raw = log(
            one | {"locations": [odd]}, one | {"message": odd, "level": odd}, one | {"ruleId": odd, "ruleIndex": odd}
        )
    else:
        raw = log(one, **({key: odd} if key else {"results": [odd, one]}))
    try:
        found = read(raw, "ruff", Path("/nowhere"), none)
    except NoReport as error:
        assert str(error)
    else:
        for finding in found:
            assert Finding.from_json(json.loads(json.dumps(finding.as_json()))) == finding
            assert 0.1 <= finding.score <= 10
            assert finding.message


@given(raw=st.binary(max_size=60))
def test_garbage_is_no_report(raw: bytes) -> None:
    with pytest.raises(NoReport):
        read(raw, "ruff", Path("/nowhere"), none)
