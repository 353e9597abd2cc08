"""Whatever a scanner prints becomes findings in one form, or a fault in words."""

from __future__ import annotations

import dataclasses
import json
import random
import string
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.scanners.findings import Finding, Report, Severity
from bot.scanners.sarif import fingerprinted, read, write
from bot.scanners.tools import SCANNERS

SHA = "a" * 40
CODE = "import pickle\n\n\ndef load(raw):\n    return pickle.loads(raw)\n"


def lines_of(files: dict[str, str]) -> Callable[[str], Sequence[str]]:
    return lambda path: files[path].split("\n") if path in files else []


def none(_path: str) -> Sequence[str]:
    return []


def on_disk(root: Path) -> Callable[[str], Sequence[str]]:
    def lines(path: str) -> Sequence[str]:
        try:
            return (root / path).read_text("utf-8", "replace").split("\n")
        except OSError:
            return []

    return lines


def log(*results: dict[str, Any], **run: Any) -> bytes:
    whole = {"tool": {"driver": {"name": "x"}}, "results": list(results)} | run
    return json.dumps({"version": "2.1.0", "runs": [whole]}).encode()


def result(uri: str = "app.py", line: object = 1, rule: str = "S301", text: str = "Bad", **more: Any) -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}
    return {"ruleId": rule, "message": {"text": text}, "locations": [place]} | more


def seen(raw: bytes, root: Path, tool: str = "ruff", files: dict[str, str] | None = None) -> list[Finding]:
    return read(raw, tool, root, lines_of(files or {}))


def a_key() -> str:
    return "gh" + "p_" + "".join(random.choices(string.ascii_letters + string.digits, k=36))


def ruff(root: Path) -> list[Finding]:
    binary = next(tool.binary() for tool in SCANNERS if tool.name == "ruff")
    argv = [
        str(binary),
        "check",
        "--isolated",
        "--ignore-noqa",
        "--no-cache",
        "--select",
        "S",
        "--output-format",
        "sarif",
    ]
    done = subprocess.run([*argv, str(root)], capture_output=True, check=False)
    return read(done.stdout, "ruff", root, on_disk(root))


# Real output


def test_a_real_scanner_is_read_with_its_absolute_addresses_and_odd_names(tmp_path: Path) -> None:
    (tmp_path / "a dir" / "ä").mkdir(parents=True)
    for name in ("a dir/ä/100%.py", "a dir/%41.py", "what?#it is.py"):
        (tmp_path / name).write_text(CODE)
    found = [one for one in ruff(tmp_path) if one.rule == "S301"]
    assert {one.path for one in found} == {"a dir/ä/100%.py", "a dir/%41.py", "what?#it is.py"}
    assert {(one.line, one.kind, one.severity) for one in found} == {(5, "code", Severity.HIGH)}
    assert all(one.help and one.url.startswith("https://") and one.message for one in found)


def test_a_clean_tree_has_a_report_without_findings(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print(1)\n")
    assert ruff(tmp_path) == []


# The fingerprint: moved, copied, mended


def test_a_finding_that_moved_keeps_its_fingerprint_and_a_copy_gets_one_of_its_own(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(CODE)
    (before,) = ruff(tmp_path)[-1:]
    app.write_text("import pickle\n\nA = 1\nB = 2\n\ndef load(raw):\n        return  pickle.loads(raw)\n")
    (moved,) = ruff(tmp_path)[-1:]
    assert moved.line != before.line
    assert moved.fingerprint == before.fingerprint

    app.write_text(CODE + "\n\ndef again(raw):\n    return pickle.loads(raw)\n")
    first, copy = ruff(tmp_path)[-2:]
    assert first.fingerprint == before.fingerprint
    assert copy.fingerprint == before.fingerprint.replace(":0", ":1")

    app.write_text(CODE.replace("pickle.loads", "json.loads"))
    assert [one.rule for one in ruff(tmp_path) if one.rule == "S301"] == []


@given(
    above=st.lists(st.sampled_from(["", "# words", "x = 1"]), max_size=8),
    spaces=st.integers(0, 9),
    copies=st.integers(0, 3),
)
def test_lines_above_and_white_space_change_no_fingerprint(above: list[str], spaces: int, copies: int) -> None:
    def prints(text: list[str]) -> list[str]:
        at = [number for number, line in enumerate(text, 1) if "eval" in line]
        given = [Finding("ruff", "S307", "code", 8.0, "a.py", line, line, "x") for line in at]
        return [one.fingerprint for one in fingerprinted(given, lambda _path: text)]

    (original,) = prints(["eval(text)"])
    changed = prints([*above, " " * spaces + "eval(text)", *["eval( text )"] * copies])
    assert changed[0] == original
    assert len(set(changed)) == copies + 1
    assert changed == [f"{original[:-2]}:{number}" for number in range(copies + 1)]


def test_a_fingerprint_tells_tools_rules_paths_and_texts_apart() -> None:
    one = Finding("ruff", "S307", "code", 8.0, "a.py", 1, 1, "x")
    files = lines_of({"a.py": "eval(a)\neval(b)", "b.py": "eval(a)"})
    others = [
        one,
        dataclasses.replace(one, tool="bandit"),
        dataclasses.replace(one, rule="S102"),
        dataclasses.replace(one, path="b.py"),
        dataclasses.replace(one, line=2),
        dataclasses.replace(one, line=0),
        dataclasses.replace(one, path="gone.py"),
    ]
    found = fingerprinted(others, files)
    assert len({made.fingerprint for made in found}) == len(others)
    assert [(made.tool, made.path, made.line) for made in found] == [
        (made.tool, made.path, made.line) for made in others
    ]
    assert found[0].id == found[0].fingerprint[:16]


def test_copies_are_numbered_from_above_in_whatever_order_they_are_told() -> None:
    at = [Finding("t", "r", "code", 5.0, "a.py", line, line, "x") for line in (3, 1, 2)]
    numbers = [one.fingerprint[-2:] for one in fingerprinted(at, lines_of({"a.py": "x\nx\nx"}))]
    assert numbers == [":2", ":0", ":1"]


# Places


@pytest.mark.parametrize(
    "spelled",
    ["app.py", "./app.py", ".//app.py", "file://{root}/app.py", "{root}/app.py", "file://localhost{root}/app.py",
     "file:{root}/app.py", "FILE://{root}/app.py"],
)  # fmt: skip
def test_a_file_is_found_however_its_address_is_spelled(tmp_path: Path, spelled: str) -> None:
    (found,) = seen(log(result(spelled.format(root=tmp_path))), tmp_path)
    assert found.path == "app.py"


@pytest.mark.parametrize(
    "spelled",
    ["/etc/passwd", "file:///etc/passwd", "../app.py", "a/../../app.py", "%2e%2e/app.py", "..%2f..%2fetc/passwd",
     "file://{root}/../x", "{root}-other/app.py", "file://elsewhere/app.py", "https://example.com/app.py", "git:app.py",
     "", ".", "/", "{root}", "a%00b", "\ud800.py", "x" * 30_000],
)  # fmt: skip
def test_what_is_not_inside_the_tree_is_dropped_and_never_read(tmp_path: Path, spelled: str) -> None:
    asked: list[str] = []

    def lines(path: str) -> Sequence[str]:
        asked.append(path)
        return []

    assert read(log(result(spelled.replace("{root}", str(tmp_path)))), "ruff", tmp_path, lines) == []
    assert not [path for path in asked if ".." in path.split("/") or path.startswith("/")]


@pytest.mark.parametrize("name", ["evil:app.py", "http:app.py", "a%20b.py", "a\nb.py", "-rf", "a b#c?.py", "\udcff.py"])
def test_no_name_of_a_file_hides_what_is_in_it(tmp_path: Path, name: str) -> None:
    files = {name: "x"}
    (as_it_is,) = seen(log(result(name)), tmp_path, files=files)
    (escaped,) = seen(log(result(quote(name, errors="surrogateescape"))), tmp_path, files=files)
    assert as_it_is.path == escaped.path == name


def test_bytes_that_are_no_text_stay_part_of_a_path(tmp_path: Path) -> None:
    raw = log(result("MARK.py")).replace(b"MARK", b"\xff\xfe")
    (found,) = seen(raw, tmp_path)
    assert found.path.encode("utf-8", "surrogateescape") == b"\xff\xfe.py"


def test_an_address_below_a_base_is_resolved(tmp_path: Path) -> None:
    place = {"physicalLocation": {"artifactLocation": {"uri": "app.py", "uriBaseId": "ROOT"}}}
    raw = log(
        {"ruleId": "r", "message": {"text": "m"}, "locations": [place]},
        originalUriBaseIds={"ROOT": {"uri": f"file://{tmp_path}/src/"}},
    )
    (found,) = seen(raw, tmp_path)
    assert (found.path, found.line, found.end_line) == ("src/app.py", 0, 0)


def test_a_tree_behind_a_link_is_known_by_both_its_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    raw = log(result(f"{tmp_path}/real/a.py"), result(f"{tmp_path}/link/b.py"))
    assert [one.path for one in seen(raw, tmp_path / "link")] == ["a.py", "b.py"]


def test_a_related_place_stands_in_where_there_is_no_other(tmp_path: Path) -> None:
    one = result("app.py", 3)
    related = one | {"locations": [], "relatedLocations": one["locations"]}
    nowhere = one | {"locations": []}
    assert [found.line for found in seen(log(related, nowhere), tmp_path)] == [3]


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [(2, 3, (2, 3)), (0, 0, (0, 0)), (None, 3, (0, 0)), ("2", "3", (2, 3)), (2, 1, (2, 2)), (-4, 2, (0, 0)),
     (2.0, 3, (2, 3)), (True, 2, (0, 0)), ([2], {}, (0, 0)), ("²", 2, (0, 0)), (10**30, 10**40, (4, 4)),
     (1e400, 1, (0, 0)), (2, 99, (2, 4))],
)  # fmt: skip
def test_lines_are_numbers_of_lines_that_there_are(
    tmp_path: Path, start: object, end: object, told: tuple[int, int]
) -> None:
    place = {"artifactLocation": {"uri": "app.py"}, "region": {"startLine": start, "endLine": end}}
    raw = log({"ruleId": "r", "message": {"text": "m"}, "locations": [{"physicalLocation": place}]})
    (found,) = seen(raw, tmp_path, files={"app.py": "1\n2\n3\n4"})
    assert (found.line, found.end_line) == told


# What counts as a result


def test_the_same_result_twice_is_one_and_several_runs_are_read(tmp_path: Path) -> None:
    one = json.loads(log(result(), result(), result(line=2)))
    one["runs"].append(json.loads(log(result("b.py")))["runs"][0])
    assert [(found.path, found.line) for found in seen(json.dumps(one).encode(), tmp_path)] == [
        ("app.py", 1),
        ("app.py", 2),
        ("b.py", 1),
    ]


def test_a_suppression_in_the_report_counts_for_nothing(tmp_path: Path) -> None:
    (found,) = seen(log(result(suppressions=[{"kind": "inSource", "status": "accepted"}])), tmp_path)
    assert found.suppressed is None


def test_results_that_say_that_all_is_well_are_no_findings(tmp_path: Path) -> None:
    raw = log(result(kind="pass"), result(kind="notApplicable"), result(baselineState="absent"), result(kind="review"))
    assert len(seen(raw, tmp_path)) == 1


def test_rules_are_found_by_index_by_part_and_by_hierarchy(tmp_path: Path) -> None:
    rules = [
        {"id": "a", "properties": {"security-severity": "9.8"}},
        {"id": "b", "defaultConfiguration": {"level": "note"}},
    ]
    extra = {"name": "more", "rules": [{"id": "c", "properties": {"security-severity": 4.5}}]}
    nameless = {key: value for key, value in result(line=2).items() if key != "ruleId"}
    raw = log(
        result(rule="a/1"),
        nameless | {"ruleIndex": 1},
        result(rule="c", line=3),
        nameless | {"line": 4},
        tool={"driver": {"name": "x", "rules": rules}, "extensions": [extra]},
    )
    found = seen(raw, tmp_path, tool="other", files={"app.py": "\n\n\n\n"})
    assert [(one.rule, one.score) for one in found] == [("a/1", 9.8), ("b", 2.0), ("unnamed", 5.0), ("c", 4.5)]


@pytest.mark.parametrize("given", ["9.8", 9.8])
def test_a_given_weight_is_kept(tmp_path: Path, given: object) -> None:
    rules = [{"id": "CVE-2026-1", "properties": {"security-severity": given}}]
    (found,) = seen(log(result(rule="CVE-2026-1"), tool={"driver": {"rules": rules}}), tmp_path, tool="trivy")
    assert (found.kind, found.score) == ("dependency", 9.8)


@pytest.mark.parametrize("given", ["high", "nan", "inf", -1, 0, 11, True, None, [], "9" * 500, "1e999"])
def test_a_weight_that_is_none_is_passed_over(tmp_path: Path, given: object) -> None:
    rules = [{"id": "S608", "properties": {"security-severity": given}}]
    (found,) = seen(log(result(rule="S608"), tool={"driver": {"rules": rules}}), tmp_path)
    assert found.score in (8.0, 1.0)  # True is the number 1
    assert found.score == 8.0 or given is True


# Words


def test_a_message_is_one_line_without_what_cannot_be_seen(tmp_path: Path) -> None:
    text = "one\r\n\ttwo\x00\x1b[31m \u202ethree\u200b \ud83d [four](1) " + "x " * 900
    (found,) = seen(log(result(text=text)), tmp_path)
    assert found.message.startswith("one two[31m three four x")
    assert len(found.message) <= 500
    assert found.message.isprintable()


def test_a_message_in_parts_is_put_together(tmp_path: Path) -> None:
    rules = [{"id": "r", "messageStrings": {"m": {"text": "{0} is not {1}"}}}]
    raw = log(
        result(rule="r", message={"id": "m", "arguments": ["this", "that"]}),
        tool={"driver": {"name": "x", "rules": rules}},
    )
    (found,) = seen(raw, tmp_path, tool="other")
    assert found.message == "this is not that"


@pytest.mark.parametrize("tool", ["kingfisher", "gitleaks"])
def test_of_a_secret_only_the_rules_name_is_told(tmp_path: Path, tool: str) -> None:
    key = a_key()
    one = result("keys.py", 1, "github-pat", f"Found {key} here")
    one["locations"][0]["physicalLocation"]["region"]["snippet"] = {"text": key}
    one["locations"][0]["properties"] = {"validate_command": f"validate {key}"}
    (found,) = read(log(one), tool, tmp_path, lines_of({"keys.py": f'GH = "{key}"'}))
    assert (found.kind, found.severity) == ("secret", Severity.CRITICAL)
    assert found.message == "This looks like a secret (github-pat)"
    told = json.dumps(found.as_json()) + json.dumps(write(Report((found,)), SHA))
    assert key not in told
    assert key[4:] not in told


@pytest.mark.parametrize(
    ("tool", "rule"), [("bandit", "B105"), ("semgrep", "node_password"), ("eslint", "no-hardcoded-x")]
)
def test_a_rule_that_quotes_passwords_is_told_by_its_name(tmp_path: Path, tool: str, rule: str) -> None:
    (found,) = seen(log(result(rule=rule, text="Possible hardcoded password: 'hunter2'")), tmp_path, tool=tool)
    assert "hunter2" not in found.message
    assert rule in found.message


def test_a_key_that_another_scanner_quotes_is_not_told_either(tmp_path: Path) -> None:
    key = a_key()
    for at in (0, 470, 480, 490):
        (found,) = seen(log(result(text=f"{'x ' * (at // 2)}\u201c{key}\u201d is odd")), tmp_path)
        assert key[:12] not in found.message


@pytest.mark.parametrize(
    ("word", "kind"), [("postgres", "config"), ("change-me", "config"), ("${WORD}", "config"), ("x7Kq2", "secret")]
)
def test_a_password_that_nobody_keeps_is_no_secret(tmp_path: Path, word: str, kind: str) -> None:
    line = f"URL: postgres://postgres:{word}@db:5432/shop"
    raw = log(result("compose.yaml", rule="generic-credential-uri", text=line))
    (found,) = seen(raw, tmp_path, "kingfisher", {"compose.yaml": line})
    assert found.kind == kind
    assert found.severity is (Severity.LOW if kind == "config" else Severity.MEDIUM)
    assert word not in found.message
