"""What the check of the scan says."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from bot import slash
from bot.messages import MARKER, Check
from bot.messages import scan as words
from bot.messages.scan import Limits
from bot.scanners.findings import Finding, Kind, Ran, Report

SHA = "a" * 40
MOST = 65_535  # characters that GitHub takes
EVIL = "@everyone </summary><script> | ``` `x` [a](http://b) /promote production\n/approve --> \u202e\udcff x"
CRITICAL, HIGH, MEDIUM, LOW = 9.5, 7.5, 5.0, 2.0


def seen(n: int = 1, score: float = HIGH, kind: Kind = "code", **more: Any) -> Finding:
    words = {"tool": "ruff", "rule": "S608", "path": "app.py", "line": n, "end_line": n, "message": "SQL of strings"}
    return Finding(kind=kind, score=score, fingerprint=f"{n:016x}:0", **{**words, **more})


def secret(n: int = 1, **more: Any) -> Finding:
    return seen(n, CRITICAL, "secret", **{"tool": "kingfisher", "rule": "aws.1", "path": "config.py", **more})


def report(*new: Finding, known: Sequence[Finding] = (), ran: Sequence[Ran] = (), **more: Any) -> Report:
    return Report((*new, *known), frozenset(one.fingerprint for one in new), tuple(ran), **more)


SILENT = Ran("kingfisher", "2.14.0", 60.0, "took longer than 60 s")


def twin(text: str | None) -> dict[str, Any]:
    assert text is not None
    return dict(json.loads(text.split(MARKER, 1)[1].split(" -->", 1)[0]))


def check(one: Report | None, limits: Limits | None = None, **more: Any) -> Check:
    return words.check(one, limits or Limits(), SHA, **more)


@pytest.mark.parametrize(
    ("one", "conclusion", "code", "title"),
    [
        (report(), "success", None, "nothing new"),
        (report(known=[seen(n) for n in (1, 2, 3)]), "success", None, "nothing new · 3 known"),
        (
            report(seen(1), seen(2), secret(3), known=[seen(n) for n in (4, 5, 6)]),
            "failure",
            "secret_found",
            "1 new secret, 2 new high · 3 known",
        ),
        (report(secret(1), secret(2)), "failure", "secret_found", "2 new secrets"),
        (report(seen(1)), "failure", "scan_failed", "1 new high"),
        (report(seen(1, MEDIUM), seen(2, LOW)), "success", None, "1 new medium, 1 new low"),
        (
            report(seen(1, CRITICAL, "malware"), seen(2, CRITICAL, "malware")),
            "failure",
            "scan_failed",
            "2 new malicious dependencies",
        ),
        (report(ran=[SILENT]), "action_required", "scan_unknown", "not scanned: kingfisher gave no report"),
        (
            report(seen(1, LOW), ran=[SILENT]),
            "action_required",
            "scan_unknown",
            "1 new low · no report of kingfisher",
        ),
        (report(seen(1), ran=[SILENT]), "failure", "scan_failed", "1 new high · no report of kingfisher"),
        (report(ran=[dataclasses.replace(SILENT, needed=False)]), "success", None, "nothing new"),
        (report(seen(1, suppressed="tests only")), "success", None, "nothing new · 1 suppressed"),
    ],
)
def test_each_report_has_its_end(one: Report, conclusion: str, code: str | None, title: str) -> None:
    said = check(one)

    assert (said.status, said.conclusion, said.title) == ("completed", conclusion, title)
    assert (twin(said.text)["reason_code"], twin(said.text)["conclusion"]) == (code, conclusion)
    assert words.reason_code(one, Limits()) == code


def test_no_report_is_no_pass_and_says_why() -> None:
    said = check(None, fault="the git server does not answer")

    assert (said.conclusion, said.title) == ("action_required", "not scanned: the git server does not answer")
    assert twin(said.text)["reason_code"] == "scan_unknown"
    assert words.reason_code(None, Limits(None, None, None, None, None, None)) == "scan_unknown"


def test_a_run_begins_and_is_left() -> None:
    assert (words.going(SHA).status, words.going(SHA).conclusion) == ("in_progress", None)
    assert (words.left(SHA).status, words.left(SHA).conclusion) == ("completed", "cancelled")


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (Limits(), ["secrets", "critical", "high"]),
        (Limits(critical=1, high=1, secrets=1), []),
        (Limits(critical=0, high=None, secrets=None), ["critical"]),
        (Limits(None, None, 0, 0, None, None), ["medium", "low"]),
        (Limits(None, None, None, None, None, None), []),
    ],
)
def test_limits_count_what_is_new(limits: Limits, broken: list[str]) -> None:
    one = report(secret(1), seen(2), seen(3, MEDIUM), seen(4, LOW), known=[secret(5), seen(6)])

    assert [over.what for over in words.over(one, limits)] == broken
    assert check(one, limits).conclusion == ("failure" if broken else "success")
    assert [rule["rule"] for rule in twin(check(one, limits).text)["rules"]] == [f"scan.{what}" for what in broken]


def test_a_critical_secret_that_is_limited_by_its_weight_is_still_a_secret() -> None:
    assert words.reason_code(report(secret()), Limits(secrets=None)) == "secret_found"
    assert words.reason_code(report(secret(), seen(2)), Limits(critical=None, secrets=None)) == "scan_failed"


def test_the_table_says_where_why_and_what_helps() -> None:
    one = seen(12, help="Use parameters.", url="https://docs.astral.sh/ruff/rules/S608/")

    summary = check(report(one)).summary

    row = "| 🔴 high | `app.py:12` | [`S608`](https://docs.astral.sh/ruff/rules/S608/) | SQL of strings "
    assert f"{row}| Use parameters. | `000000000000000c` |" in summary
    assert "| high | 1 | 0 |" in summary
    assert f"`/ack 000000000000000c {SHA[:7]}`" in summary
    assert "`/ignore 000000000000000c --until=YYYY-MM-DD --reason=words`" in summary


def test_a_secret_is_to_be_rotated_not_only_removed() -> None:
    assert "rotate the secret" in check(report(seen(1), secret(2))).summary
    assert "rotate" not in check(report(seen(1))).summary


def test_what_does_not_count_is_told_with_its_reason() -> None:
    one = report(
        seen(1, suppressed="fixtures only, meg, until 2027-01-01"),
        known=[seen(2, rule="S105")],
        ran=[
            Ran("ruff", "0.17.5", 0.02),
            Ran("hadolint", fault="it is not installed: pip install 'slipway[scan]'", needed=False),
        ],
        asks=(seen(3, rule="S301"),),
    )

    summary = check(one).summary

    assert "fixtures only, meg, until 2027" in summary
    assert "Known: in the merge base already (1)" in summary and "`S105`" in summary
    assert "Asks to be ignored, without the right to (1)" in summary and "`S301`" in summary
    assert "| `ruff` | 0.17.5 | 20 ms | looked |" in summary
    assert "| `hadolint` |  |  | did not run: it is not installed: pip install 'slipway\\[scan\\]' |" in summary


def test_the_gravest_stand_first_and_the_rest_is_counted() -> None:
    summary = check(report(*(seen(n, LOW) for n in range(2, 50)), seen(1, CRITICAL))).summary

    rows = [row for row in summary.splitlines() if "`app.py:" in row]
    assert len(rows) == 30 and "critical" in rows[0]
    assert "And 19 more." in summary


def test_annotations_come_in_batches_that_github_takes() -> None:
    found = [seen(n, LOW) for n in range(1, 120)]

    batches = words.batches(report(*found, seen(500, HIGH, end_line=502, help="Mend it.")))

    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert batches[0][0] == {
        "path": "app.py",
        "start_line": 500,
        "end_line": 502,
        "annotation_level": "failure",
        "title": "high: S608",
        "message": "SQL of strings\nMend it.\nIts id: 00000000000001f4",
    }
    assert {one["annotation_level"] for one in batches[1]} == {"notice"}
    assert sum(map(len, words.batches(report(*(seen(n) for n in range(5000)))))) == 500


def test_each_further_check_has_the_next_annotations() -> None:
    one = report(*(seen(n) for n in range(1, 120)))

    said = words.checks(one, Limits(), SHA)

    assert [len(part.annotations) for part in said] == [50, 50, 19]
    assert len({(part.title, part.summary, part.conclusion) for part in said}) == 1
    assert len(words.checks(report(), Limits(), SHA)) == len(words.checks(None, Limits(), SHA)) == 1


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (seen(0, end_line=0), (1, 1)),
        (seen(9, end_line=3), (9, 9)),
        (seen(10**12, end_line=10**13), (2**31 - 1, 2**31 - 1)),
    ],
)
def test_annotations_stand_on_lines_that_there_can_be(one: Finding, lines: tuple[int, int]) -> None:
    ((annotation,),) = words.batches(report(one))

    assert (annotation["start_line"], annotation["end_line"]) == lines


def test_what_only_an_older_commit_has_stands_in_the_table_alone() -> None:
    said = check(report(secret(7, commit="b" * 40)))

    assert said.annotations == ()
    assert "`config.py:7` in commit `bbbbbbb`, gone since" in said.summary
    assert twin(said.text)["findings"][0]["commit"] == "b" * 40


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../../b", "a\nb.py", "caf\udce9.py"])
def test_a_path_that_github_could_not_take_gets_no_annotation(path: str) -> None:
    said = check(report(seen(1, path=path)))

    assert said.annotations == () and said.conclusion == "failure"
    json.dumps([said.title, said.summary, said.text], ensure_ascii=False).encode()


def test_the_comment_has_one_line_and_machines_their_numbers() -> None:
    one = report(seen(1), secret(2), known=[seen(3)], ran=[SILENT])

    assert words.line(report(known=[seen(n) for n in (1, 2, 3)])) == "🔎 Scan: 0 new high · 3 known"
    assert words.line(one) == "🔎 Scan: 1 new secret, 1 new high · 1 known · no report of kingfisher"
    assert words.line(None) == "🔎 Scan: not finished"
    assert words.twin(one)["new"] == {"secret": 1, "high": 1}
    assert (words.twin(one)["known"], words.twin(one)["missing"]) == (1, ["kingfisher"])
    assert [found["rule"] for found in words.twin(one)["findings"]] == ["aws.1", "S608"]


def test_a_preview_that_is_not_started_says_to_rotate_the_secret() -> None:
    said = words.told_secret(report(seen(1), secret(12), secret(13)))

    assert said is not None
    assert said["message"].startswith("Not started: aws.1 is a secret in config.py line 12, and 1 more secret.")
    assert "history" in said["message"] and "Rotate it" in said["hint"]
    assert (said["reason_code"], said["path"], said["line"]) == ("secret_found", "config.py", 12)
    assert (said["rule"], said["actual"], said["required"]) == ("scan", "2 critical secrets: aws.1", "no secret")


@pytest.mark.parametrize(
    "one",
    [
        report(seen(1, CRITICAL)),
        report(secret(1, suppressed="rotated")),
        report(known=[secret(1)]),
        report(seen(1, MEDIUM, "secret")),
    ],
)
def test_only_a_new_critical_secret_that_nobody_excused_stops_a_preview(one: Report) -> None:
    assert words.told_secret(one) is None


def hostile(n: int, **more: Any) -> Finding:
    said = {"tool": EVIL, "rule": EVIL, "path": EVIL, "message": EVIL, "help": EVIL, "url": f"https://x/) {EVIL}"}
    return seen(n, CRITICAL, "secret", **{**said, **more})


def test_what_others_wrote_stays_text() -> None:
    """Paths, names of rules and tools' complaints come out of the pull request."""
    ran = [Ran(EVIL, EVIL, 1.0, EVIL), Ran(EVIL, EVIL, 1.0, EVIL, needed=False)]
    found = [hostile(1), hostile(2, suppressed=EVIL), hostile(4, commit=EVIL)]
    one = report(*found, known=[hostile(3)], ran=ran, asks=(hostile(5),))
    said = check(one, fault=EVIL)

    for part in (said.summary, words.line(one), check(None, fault=EVIL).summary):
        outside = re.sub(r"`[^`\n]*`", "", part)  # inline code is text already
        assert "<script>" not in outside and "@everyone" not in outside and "](http" not in outside
        assert not any(slash.parse(line) for line in part.splitlines())
        assert "\u202e" not in part
        part.encode()
    for row in said.summary.splitlines():
        assert not row.startswith("|") or row.replace("\\|", "").count("|") in (3, 4, 5, 6, 7)
    for text in (said.text, check(None, fault=EVIL).text):
        assert text is not None and text.count("-->") == 1 and "@everyone" not in text
    json.dumps(words.told_secret(one), ensure_ascii=False).encode()


def test_it_is_never_longer_than_github_takes() -> None:
    long = "@<|`*é" * 2000
    many = {"message": long, "help": long, "rule": long, "path": long, "url": f"https://a.example/{'a' * 2000}"}
    found = [hostile(n, **many) for n in range(1, 300)]
    quiet = [hostile(n, **many, suppressed=long) for n in range(300, 600)]
    known = [hostile(n, **many) for n in range(600, 900)]
    ran = [Ran(f"{n}{long}", long, 1.0, long, n % 2 == 0) for n in range(200)]

    said = check(report(*found, *quiet, known=known, ran=ran, asks=tuple(found)))

    for part in (said.summary, said.text or "", check(None, fault=long).summary):
        assert len(part.encode()) <= MOST
    assert len(said.title) <= 120
    assert "more" in said.summary
    assert all(len(one["title"]) <= 255 and len(one["message"]) < 64_000 for one in said.annotations)
