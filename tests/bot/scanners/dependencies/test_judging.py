"""What is said of the names in a change."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from bot.errors import GitHubDown
from bot.scanners.dependencies import Advisory, Dependency, Ecosystem, examine
from bot.scanners.findings import Finding, Ran
from tests.bot.scanners.dependencies.registry import NOW, Shelf

FLASK = Advisory(
    "GHSA-562c-5r94-xh97", "pip", "Flask", "< 0.12.3", "0.12.3", "high", 7.5, "Denial of\nservice", "https://x.example"
)
HOSTILE = Advisory("GHSA-aaaa-bbbb-cccc", "npm", "evil", ">= 0", None, "critical", None, "Malware", "", malware=True)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(
        pip={
            "flask": {"0.12": 3000.0, "3.0": 2.0},
            "newborn": {"1.0": 1.0},
            "djago": {"1.0": 900.0},
            "mute": {"1": None},
        },
        npm={"lodash": {"4.17.20": 900.0, "4.17.21": 0.5}, "evil": {"1.0.0": 90.0}},
    )


def named(
    name: str, version: str | None = None, ecosystem: Ecosystem = "pip", path: str = "requirements.txt", **more: object
) -> Dependency:
    fields: dict[str, object] = {"line": 3, "direct": True} | more
    return Dependency(ecosystem, name, version, path, **fields)  # type: ignore[arg-type]


class Known:
    """A database of advisories."""

    def __init__(self, *known: Advisory, fault: Exception | None = None) -> None:
        self.known, self.fault = known, fault
        self.asked: list[tuple[str, list[str]]] = []

    async def __call__(self, ecosystem: str, packages: Sequence[str]) -> list[Advisory]:
        self.asked.append((ecosystem, list(packages)))
        if self.fault is not None:
            raise self.fault
        return [one for one in self.known if one.ecosystem == ecosystem]


async def judged(
    shelf: Shelf, *added: Dependency, known: Known | None = None, old: Sequence[Dependency] = ()
) -> tuple[list[Finding], dict[str, Ran]]:
    found, ran = await examine(added, [*added, *old], shelf.registries(), known or Known(), NOW)
    return found, {one.tool: one for one in ran}


async def test_a_made_up_name_is_critical(shelf: Shelf) -> None:
    (one,), ran = await judged(shelf, named("flask-super-toolkit"))

    assert (one.rule, one.score, one.kind, one.path, one.line) == (
        "not-in-registry",
        9.0,
        "dependency",
        "requirements.txt",
        3,
    )
    assert "flask-super-toolkit is not in" in one.message and len(one.fingerprint) == 18
    assert ran["registry"].fault is None and ran["registry"].needed


async def test_a_made_up_slip_is_told_once_with_what_was_meant(shelf: Shelf) -> None:
    (one,), _ = await judged(shelf, named("reqeusts"))
    assert one.rule == "not-in-registry" and "close to requests" in one.message and "requests" in one.help


async def test_a_slip_that_exists_is_high(shelf: Shelf) -> None:
    (one,), _ = await judged(shelf, named("djago", "1.0"))
    assert (one.rule, one.score) == ("near-miss-name", 7.0) and "django" in one.message


async def test_a_slip_that_only_a_lock_has_is_its_authors(shelf: Shelf) -> None:
    assert (await judged(shelf, named("djago", "1.0", path="uv.lock", direct=False)))[0] == []


async def test_a_version_of_yesterday_is_too_new_and_an_older_one_is_not(shelf: Shelf) -> None:
    (one,), _ = await judged(shelf, named("flask", "3.0"))
    assert (one.rule, one.score) == ("too-new", 7.0) and "flask 3.0 came out 48 h ago" in one.message.replace(
        "2 days", "48 h"
    )
    assert (await judged(shelf, named("flask", "0.12")))[0] == []
    assert (await judged(shelf, named("flask")))[0] == [], "no version: the package itself is old"
    assert [one.rule for one in (await judged(shelf, named("newborn")))[0]] == ["too-new"]


async def test_the_version_of_the_lock_counts_and_the_manifest_is_shown(shelf: Shelf) -> None:
    lock = named("lodash", "4.17.21", "npm", "package-lock.json", direct=False, line=90)
    (one,), _ = await judged(shelf, lock, named("lodash", None, "npm", "package.json"))
    assert (one.rule, one.path, one.line) == ("too-new", "package.json", 3)


async def test_nothing_is_said_of_names_that_were_there_before(shelf: Shelf) -> None:
    found, ran = await judged(shelf, old=[named("made-up", None), named("newborn", "1.0")])
    assert found == [] and shelf.asked == []
    assert not ran["registry"].needed


async def test_a_registry_that_does_not_answer_is_a_fault(shelf: Shelf) -> None:
    shelf.instead = lambda _: httpx.Response(503)
    found, ran = await judged(shelf, named("made-up"), named("flask", "0.12"), known=Known(FLASK))

    assert [one.rule for one in found] == [FLASK.id], "advisories are another matter"
    assert ran["registry"].fault == "python.example answers 503" and ran["registry"].needed
    assert ran["advisories"].fault is None


async def test_an_age_that_nobody_knows_is_said(shelf: Shelf) -> None:
    found, ran = await judged(shelf, named("mute", "1"))
    assert found == [] and ran["registry"].fault is None
    assert "mute" in str(ran["package age"].fault) and not ran["package age"].needed


async def test_a_known_fault_is_told_with_the_version_that_mends_it(shelf: Shelf) -> None:
    known = Known(FLASK)
    (one,), ran = await judged(shelf, known=known, old=[named("flask", "0.12"), named("idna")])

    assert (one.rule, one.score, one.url) == (FLASK.id, 7.5, "https://x.example")
    assert one.message == "flask 0.12 is known to be vulnerable: Denial of service"
    assert one.help == "Update it to 0.12.3 or later."
    assert known.asked == [("pip", ["flask@0.12"])] and ran["advisories"].fault is None


async def test_only_the_versions_that_an_advisory_means_are_told(shelf: Shelf) -> None:
    old = [
        named("flask", "3.0", path="a/uv.lock", direct=False),
        named("flask", "0.12", path="b/uv.lock", direct=False),
    ]
    (one,), _ = await judged(shelf, known=Known(FLASK), old=old)
    assert one.path == "b/uv.lock" and "flask 0.12 is" in one.message


async def test_malware_is_as_bad_as_it_gets(shelf: Shelf) -> None:
    (one,), _ = await judged(shelf, named("evil", "1.0.0", "npm", "package.json"), known=Known(HOSTILE))
    assert (one.rule, one.kind, one.score) == (HOSTILE.id, "malware", 10.0) and "secret" in one.help


async def test_advisories_that_can_not_be_asked_are_a_fault(shelf: Shelf) -> None:
    _, ran = await judged(shelf, old=[named("flask", "0.12")], known=Known(fault=GitHubDown("GitHub does not answer")))
    assert ran["advisories"].fault == "GitHub does not answer" and ran["advisories"].needed


async def test_what_comes_from_elsewhere_is_not_asked_for_and_said(shelf: Shelf) -> None:
    far = named("inner", "1.0", source="mirror.example", path="uv.lock", direct=False)
    found, _ = await judged(
        shelf, named("tool", source="git"), far, named("more", source="mirror.example", path="uv.lock", direct=False)
    )
    assert [(one.rule, one.score, one.path) for one in found] == [
        ("not-from-registry", 4.0, "requirements.txt"),
        ("not-from-registry", 4.0, "uv.lock"),
    ]
    assert shelf.asked == []


async def test_a_name_that_moves_in_its_file_is_the_same_finding(shelf: Shelf) -> None:
    prints = set()
    for line, path in ((3, "requirements.txt"), (90, "requirements.txt"), (3, "other/requirements.txt")):
        (one,), _ = await judged(shelf, named("made-up", path=path, line=line))
        prints.add(one.fingerprint)
    assert len(prints) == 2


async def test_words_of_others_stay_on_one_line(shelf: Shelf) -> None:
    hostile = Advisory("GHSA-1", "pip", "flask", "< 1", None, "low", None, "a\n@everyone\x1b[0m" + "x" * 900, "")
    (one,), _ = await judged(shelf, known=Known(hostile), old=[named("flask", "0.12")])
    assert len(one.message) <= 500 and one.message.isprintable() and one.score == 2.0


async def test_a_change_of_thousands_of_names_says_which_were_not_asked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.scanners.dependencies.judging.ASKED", 3)
    locked = [named(f"n{at}", "1.0", path="uv.lock", direct=False) for at in range(9)]
    found, ran = await judged(shelf, *locked, named("made-up"))
    assert "requirements.txt" in {one.path for one in found}, "what somebody wrote comes first"
    assert len(shelf.asked) == 3 and str(ran["registry, the rest"].fault).startswith("7 of 10 new names")
