"""The chain of the books: what was written can't be changed, removed, moved or cut without showing."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.audit import (
    FIRST,
    LONGEST,
    Actor,
    BadAnchor,
    Checkpoint,
    Entry,
    Line,
    Ruling,
    as_json,
    canonical,
    link,
    public_key,
    read_anchor,
    sign,
    statement,
    verify,
)

NOW = 1_800_000_000.25
SOMEBODY = Actor(7, "ada", "person", "comment")
PLAIN = st.none() | st.booleans() | st.integers() | st.text()
FACTS = st.dictionaries(st.text(max_size=20), PLAIN | st.lists(PLAIN, max_size=4), max_size=5)


def chained(payloads: Sequence[str]) -> list[Line]:
    lines, prev = [], FIRST
    for seq, payload in enumerate(payloads, 1):
        lines.append(Line(seq, prev, payload, link(seq, prev, payload)))
        prev = lines[-1].digest
    return lines


def books(count: int = 5) -> list[Line]:
    return chained([canonical(Entry("preview.live", NOW + at, number=at)) for at in range(count)])


def rechained(lines: Sequence[Line]) -> list[Line]:
    """What somebody does who knows how the chain is made."""
    return chained([line.payload for line in lines])


def mark(line: Line) -> Checkpoint:
    return Checkpoint(line.seq, line.digest, int(NOW))


class TestCanonicalForm:
    def test_is_sorted_compact_ascii_and_holds_microseconds(self) -> None:
        entry = Entry("preview.live", NOW, project_id=1, number=2, actor=SOMEBODY, after={"z": "ü", "a": True})
        assert canonical(entry) == (
            '{"actor":{"how":"comment","id":7,"kind":"person","login":"ada"},"after":{"a":true,"z":"\\u00fc"},'
            '"at":1800000000250000,"number":2,"project":1,"what":"preview.live"}'
        )

    @given(before=FACTS, after=FACTS)
    def test_is_the_same_whatever_the_order_and_read_back_writes_the_same(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        entry = Entry("x", NOW, before=before, after=after)
        turned = dataclasses.replace(entry, before=dict(reversed(before.items())), after=dict(reversed(after.items())))
        said = canonical(entry)
        assert canonical(turned) == said
        assert said.isascii()
        assert json.dumps(json.loads(said), sort_keys=True, separators=(",", ":")) == said

    @pytest.mark.parametrize("value", [1.5, float("nan"), b"bytes", {1, 2}, object()])
    def test_refuses_what_has_no_single_form(self, value: object) -> None:
        with pytest.raises(ValueError, match="text and whole numbers"):
            canonical(Entry("x", NOW, after={"a": value}))

    def test_refuses_what_is_nested_without_end(self) -> None:
        nested: dict[str, Any] = {}
        nested["a"] = nested
        with pytest.raises(ValueError, match="deeply"):
            canonical(Entry("x", NOW, after=nested))

    def test_text_from_outside_is_cut_and_its_secrets_go(self) -> None:
        token = "ghs_" + "a" * 40
        said = json.loads(canonical(Entry("x", NOW, after={"reason": f"use {token} " + "x" * 500})))
        assert token not in said["after"]["reason"]
        assert len(said["after"]["reason"]) == LONGEST

    def test_a_verdict_names_every_rule(self) -> None:
        verdict = (Ruling("open", True), Ruling("approval", False, "approval_missing", "0", "1"))
        said = json.loads(canonical(Entry("x", NOW, verdict=verdict)))
        assert said["verdict"] == [
            {"allowed": True, "rule": "open"},
            {
                "actual": "0",
                "allowed": False,
                "reason_code": "approval_missing",
                "required": "1",
                "rule": "approval",
            },
        ]


class TestChain:
    def test_what_was_written_is_whole(self) -> None:
        lines = books()
        assert verify(lines, [mark(lines[2]), mark(lines[4])]) is None
        assert verify([]) is None

    def test_a_changed_line_is_found(self) -> None:
        lines = books()
        lines[2] = lines[2]._replace(payload=lines[2].payload.replace("preview.live", "preview.gone"))
        problem = verify(lines)
        assert problem is not None
        assert (problem.kind, problem.seq) == ("changed", 3)

    def test_a_changed_line_with_a_fresh_digest_is_found_at_the_next(self) -> None:
        lines = books()
        payload = lines[2].payload.replace("preview.live", "preview.gone")
        lines[2] = lines[2]._replace(payload=payload, digest=link(3, lines[2].prev, payload))
        problem = verify(lines)
        assert problem is not None
        assert (problem.kind, problem.seq) == ("moved", 4)

    def test_a_deleted_line_is_found(self) -> None:
        lines = books()
        del lines[2]
        problem = verify(lines)
        assert problem is not None
        assert (problem.kind, problem.seq) == ("missing", 3)

    def test_a_swapped_pair_is_found(self) -> None:
        lines = books()
        lines[1], lines[2] = (
            lines[2]._replace(seq=lines[1].seq),
            lines[1]._replace(seq=lines[2].seq),
        )
        problem = verify(lines)
        assert problem is not None
        assert problem.kind == "moved"

    def test_a_cut_tail_is_found_with_the_anchor_only(self) -> None:
        lines = books()
        assert verify(lines[:3]) is None
        problem = verify(lines[:3], [mark(lines[1]), mark(lines[4])])
        assert problem is not None
        assert (problem.kind, problem.seq) == ("cut", 4)

    def test_a_tail_that_was_cut_and_grown_again_is_found(self) -> None:
        lines = books()
        grown = rechained([*lines[:3], *books(9)])
        problem = verify(grown, [mark(lines[4])])
        assert problem is not None
        assert problem.kind == "other_chain"

    def test_books_written_again_from_the_start_are_found(self) -> None:
        lines = books()
        forged = rechained([line._replace(payload=line.payload.replace("live", "gone")) for line in lines])
        assert verify(forged) is None
        problem = verify(forged, [mark(lines[4])])
        assert problem is not None
        assert problem.kind == "other_chain"

    def test_an_anchor_that_contradicts_itself_is_found(self) -> None:
        lines = books()
        problem = verify(lines, [mark(lines[4]), dataclasses.replace(mark(lines[4]), digest="0" * 64)])
        assert problem is not None
        assert problem.kind == "other_chain"

    @given(
        count=st.integers(2, 12), place=st.integers(0, 11), how=st.sampled_from(["change", "delete", "swap", "insert"])
    )
    @settings(max_examples=60)
    def test_every_tampering_shows_even_when_the_chain_is_made_anew(self, count: int, place: int, how: str) -> None:
        lines = books(count)
        tampered, at = list(lines), place % count
        match how:
            case "change":
                tampered[at] = tampered[at]._replace(payload=tampered[at].payload + " ")
            case "delete":
                del tampered[at]
            case "swap":
                other = (at + 1) % count
                tampered[at], tampered[other] = tampered[other], tampered[at]
            case "insert":
                tampered.insert(at, tampered[at]._replace(payload="{}"))
        anchor = [mark(lines[-1])]
        assert verify(tampered, anchor) is not None
        assert verify(rechained(tampered), anchor) is not None

    def test_a_hundred_thousand_lines_are_read_in_seconds(self) -> None:
        lines = books(100_000)
        began = time.perf_counter()
        assert verify(iter(lines), [mark(lines[-1])]) is None
        assert time.perf_counter() - began < 30.0


class TestAnchor:
    def test_what_is_signed_is_read_back(self) -> None:
        key = Ed25519PrivateKey.generate()
        marks = [mark(line) for line in books()]
        lines = [sign(one, key) + "\n" for one in marks]
        assert read_anchor(lines) == marks
        assert read_anchor(lines, public_key(key)) == marks

    def test_a_changed_checkpoint_is_refused(self) -> None:
        line = sign(mark(books()[0]), Ed25519PrivateKey.generate())
        with pytest.raises(BadAnchor, match="Line 1"):
            read_anchor([line.replace('"seq":1', '"seq":2')])

    def test_a_checkpoint_of_another_key_is_refused(self) -> None:
        lines = [sign(mark(books()[0]), Ed25519PrivateKey.generate()) for _ in range(2)]
        with pytest.raises(BadAnchor, match="Line 2"):
            read_anchor(lines)
        with pytest.raises(BadAnchor, match="Line 1"):
            read_anchor(lines[:1], public_key(Ed25519PrivateKey.generate()))

    def test_a_line_that_a_crash_tore_is_passed_over(self) -> None:
        key = Ed25519PrivateKey.generate()
        line = sign(mark(books()[0]), key)
        assert len(read_anchor([line, line[:50], "", line])) == 2

    @pytest.mark.parametrize("line", ["{}", "[]", "1", '{"sig":"zz"}', '{"sig":"00","key":"00"}', '{"sig":1}'])
    def test_a_line_without_a_signature_is_refused(self, line: str) -> None:
        with pytest.raises(BadAnchor):
            read_anchor([line])


class TestExport:
    def test_a_line_is_given_with_its_entry(self) -> None:
        line = books()[1]
        said = as_json(line)
        assert said["entry"]["what"] == "preview.live"
        again = json.dumps(said["entry"], sort_keys=True, separators=(",", ":"))
        assert link(said["seq"], said["prev"], again) == said["digest"]

    def test_a_verdict_on_an_artifact_becomes_a_verification_summary(self) -> None:
        verdict = (Ruling("open", True), Ruling("approval", True))
        entry = Entry(
            "release.promoted",
            NOW,
            project_id=1,
            environment="production",
            artifact="sha256:" + "a" * 64,
            policy_digest="b" * 64,
            verdict=verdict,
        )
        (line,) = chained([canonical(entry)])
        said = statement(line, "https://slipway.example.org", lambda project, env: f"https://g/{project}/{env}")
        assert said is not None
        assert said["_type"] == "https://in-toto.io/Statement/v1"
        assert said["subject"] == [{"name": "sha256:" + "a" * 64, "digest": {"sha256": "a" * 64}}]
        assert said["predicateType"] == "https://slsa.dev/verification_summary/v1"
        predicate = said["predicate"]
        assert predicate["verifier"] == {"id": "https://slipway.example.org"}
        assert predicate["timeVerified"] == "2027-01-15T08:00:00.250000Z"
        assert predicate["resourceUri"] == "https://g/1/production"
        assert predicate["policy"]["digest"] == {"sha256": "b" * 64}
        assert predicate["verificationResult"] == "PASSED"
        assert predicate["verifiedLevels"]

    def test_a_rule_that_objected_makes_it_failed(self) -> None:
        entry = Entry("release.refused", NOW, artifact="sha256:" + "a" * 64, verdict=(Ruling("open", False),))
        (line,) = chained([canonical(entry)])
        said = statement(line, "https://slipway.example.org", lambda _project, _environment: "")
        assert said is not None
        assert said["predicate"]["verificationResult"] == "FAILED"

    def test_a_line_without_a_verdict_makes_none(self) -> None:
        assert statement(books()[0], "", lambda _project, _environment: "") is None
