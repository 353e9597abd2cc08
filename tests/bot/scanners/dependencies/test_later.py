"""A list of what was built, looked up again: what its scan has not told."""

from __future__ import annotations

import pytest

from bot.errors import GitHubDown
from bot.scanners.dependencies import Advisory, Late, later, listed, sbom
from bot.scanners.dependencies.judging import fingerprint
from bot.scanners.findings import Finding, Report
from tests.bot.scanners.dependencies.test_judging import Known, named

SCANNED = 1_000.0
FLASK, SCOPED = named("flask", "0.12"), named("@acme/tide", "1.0.0-rc.1", "npm")


def known(ident: str = "GHSA-1", since: float | None = 2_000.0, **words: object) -> Advisory:
    fields = {"ecosystem": "pip", "package": "Flask", "range": "< 1", "fixed": "1.0", "severity": "high", "score": 8.0}
    return Advisory(**{"id": ident, "summary": "bad", "url": "", **fields, **words}, known=since)  # type: ignore[arg-type]


async def looked(*advisories: Advisory, report: Report | None = None) -> list[Late]:
    return await later([FLASK, SCOPED], report or Report(), SCANNED, Known(*advisories))


def test_a_list_is_read_back_as_it_was_made() -> None:
    every = [FLASK, SCOPED, named("loose"), named("jinja2", "1!2.0+local.1")]
    back = listed(sbom(every, "acme/shop", "a" * 40, 1.0))
    assert {(one.ecosystem, one.name, one.version) for one in back} == {
        (one.ecosystem, one.name, one.version) for one in every
    }


@pytest.mark.parametrize(
    ("since", "words", "counts"),
    [(2_000.0, {}, True), (999.0, {}, False), (None, {}, True), (999.0, {"malware": True}, True)],
)
async def test_only_what_became_known_afterwards_counts_but_for_malware(
    since: float | None, words: dict[str, object], counts: bool
) -> None:
    (one,) = await looked(known(since=since, **words))
    assert one.since is counts and one.finding.rule == "GHSA-1"


async def test_what_the_scan_has_told_is_left_out_for_that_package_alone() -> None:
    mark = fingerprint("GHSA-1", "requirements.txt", "pip", "flask")
    told = Finding("dependencies", "GHSA-1", "dependency", 8.0, "requirements.txt", 1, 1, "flask", mark)
    report = Report((told,), frozenset({mark}))
    other = known(ecosystem="npm", package="@acme/tide", range="<= 1.0.0")

    found = await looked(known(), other, known("GHSA-2"), report=report)

    assert sorted((one.finding.rule, one.finding.message[:5]) for one in found) == [
        ("GHSA-1", "@acme"),
        ("GHSA-2", "flask"),
    ]


async def test_versions_that_are_not_meant_and_doubles_are_left_out() -> None:
    found = await looked(known(range="> 1"), known("GHSA-2"), known("GHSA-2", range="< 0.13"))
    assert [one.finding.rule for one in found] == ["GHSA-2"]


async def test_half_an_answer_is_none() -> None:
    with pytest.raises(GitHubDown):
        await later([FLASK], Report(), SCANNED, Known(fault=GitHubDown("no answer")))
