"""The advisories of GitHub, asked of the GitHub on this machine and of a wire that a test holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from bot.errors import GitHubDown, GitHubRefused
from bot.github import GitHub
from bot.github.advisories import LONGEST, MOST, GlobalAdvisories, batches
from demo.github import DemoGitHub
from demo.github.rest.advisories import advisory
from tests.bot.github.stand import Stand, in_turn, public_pem, settings

METADATA = {"metadata": "read"}


def of(github: GitHub, installation: int = 7, repository: int = 42) -> GlobalAdvisories:
    return GlobalAdvisories(github._api(installation, repository, METADATA))


async def test_the_stand_in_answers_what_affects_the_versions_that_are_asked_for(tmp_path: Path) -> None:
    hub_github = DemoGitHub(tmp_path, webhook_secret="s", public_key=public_pem(), app_id="4711")
    async with hub_github.serve() as served:
        repo = await served.create_repository("acme", "shop", {"a": "b"})
        served.hub.advisories += [
            advisory("GHSA-1", "pip", "flask", "< 0.12.3", fixed="0.12.3", score=7.5, summary="Denial of service"),
            advisory("GHSA-2", "pip", "flask", ">= 3.0"),
            advisory("GHSA-3", "npm", "flask", "< 1.0"),
            advisory("GHSA-4", "pip", "evil", ">= 0", severity="critical", kind="malware"),
            *[advisory(f"GHSA-many-{at}", "pip", "sieve", "< 2") for at in range(150)],
        ]
        installation = next(iter(served.hub.installations))
        async with httpx.AsyncClient() as http, GitHub(settings(served.url), http) as github:
            ask = of(github, installation, next(iter(served.hub.repos)))
            found = await ask("pip", ["flask@0.12", "evil@1.0", "fine@1.0"])
            many = await ask("pip", ["sieve@1.0"])

    assert repo is not None
    assert {(one.id, one.fixed, one.score, one.malware) for one in found} == {
        ("GHSA-1", "0.12.3", 7.5, False),
        ("GHSA-4", None, None, True),
    }
    assert len(many) == 150, "page after page"


async def test_both_kinds_are_asked_for_in_batches_that_an_address_holds() -> None:
    names = [f"@scope/package-{at}@1.0.{at}" for at in range(300)]
    async with Stand(lambda request: httpx.Response(200, json=[])) as stand:
        assert await of(stand.github)("npm", names) == []

    asked = [parse_qs(request.url.query.decode()) for request in stand.requests]
    assert {one["type"][0] for one in asked} == {"reviewed", "malware"}
    for kind in ("reviewed", "malware"):
        told = [one["affects"][0].split(",") for one in asked if one["type"] == [kind]]
        assert [name for batch in told for name in batch] == names
    assert all(len(request.url.raw_path) < LONGEST + 200 for request in stand.requests)
    assert {request.headers["authorization"] for request in stand.requests} == {"token ghs_1"}


def test_a_batch_has_no_more_than_github_takes() -> None:
    assert [len(batch) for batch in batches(["a"] * (MOST + 1))] == [MOST, 1]
    assert list(batches([])) == []


RAW: dict[str, Any] = advisory("GHSA-1", "pip", "flask", "< 1", fixed="1.0", score=5.0)


async def first(raw: Any) -> list[Any]:
    async with Stand(in_turn(httpx.Response(200, json=[raw]), httpx.Response(200, json=[]))) as stand:
        return await of(stand.github)("pip", ["flask@0.1"])


async def test_answers_are_read_in_the_form_of_older_servers_too() -> None:
    older = RAW["vulnerabilities"][0] | {"first_patched_version": {"identifier": "1.0"}}
    (one,) = await first(RAW | {"vulnerabilities": [older], "cvss_severities": None, "html_url": "javascript:alert(1)"})
    assert (one.fixed, one.score, one.url) == ("1.0", 5.0, "https://github.com/advisories/GHSA-1")


async def test_what_was_withdrawn_or_is_about_others_is_left_out() -> None:
    assert await first(RAW | {"withdrawn_at": "2026-01-01T00:00:00Z"}) == []
    assert await first(RAW | {"vulnerabilities": [None, {"package": None}, {"package": {"ecosystem": "go"}}]}) == []
    assert await first(RAW | {"vulnerabilities": None}) == []


@pytest.mark.parametrize("raw", [{}, RAW | {"ghsa_id": 3}, RAW | {"vulnerabilities": "x"}, 3])
async def test_an_answer_that_is_none_is_githubs_fault(raw: Any) -> None:
    with pytest.raises(GitHubDown):
        await first(raw)


async def test_a_server_without_advisories_refuses() -> None:
    async with Stand(lambda request: httpx.Response(404, json={"message": "Not Found"})) as stand:
        with pytest.raises(GitHubRefused) as refused:
            await of(stand.github)("pip", ["flask@0.12"])
    assert refused.value.status == 404
