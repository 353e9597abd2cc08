"""Everything we ask of GitHub, judged by GitHub's own description of its API."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from bot.errors import GitHubRefused
from bot.github import GitHub, Repository
from bot.permissions import facts, role_of
from bot.policy import Changed, Facts, Stops, Unknown
from bot.policy.terms import Agents, Effective, Require, Terms
from tests import contract
from tests.bot.github.stand import API, APP_ID, SHA, public_pem, settings

pytestmark = pytest.mark.skipif(contract.contract_folder() is None, reason="no contract kit")

SLUG = "octoapp"  # of the app in the answer that the kit gives to "who am I"

# What the app's manifest grants: nothing here may need more.
GRANTED = yaml.safe_load((contract.ROOT / "app.yml").read_text())["default_permissions"]


@pytest_asyncio.fixture(params=["", "/api/v3"], ids=["github.com", "enterprise"])
async def judge(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    prefix = request.param
    one = contract.load().Contract(
        app_id=str(APP_ID), public_key=public_pem(), app_permissions=GRANTED, prefix=prefix, app_slug=SLUG
    )
    yield one
    one.assert_clean(("error", "warn", "note"))


@pytest_asyncio.fixture
async def github(judge: Any) -> AsyncIterator[GitHub]:
    transport = httpx.MockTransport(judge.httpx_side_effect)
    async with httpx.AsyncClient(transport=transport) as http, GitHub(settings(API + judge.prefix), http) as github:
        yield github


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github.repository(1, 42, "acme/shop")


async def test_reads_pull_requests_and_their_commits(repository: Repository, judge: Any) -> None:
    assert (await repository.pull(7))["number"] == 7
    assert all("number" in pull for pull in await repository.open_pulls())
    assert all("commit" in commit for commit in await repository.pull_commits(7))
    judge.assert_called("pulls/get", "pulls/list", "pulls/list-commits")


async def test_a_check_run_is_made_found_and_ended(repository: Repository, judge: Any) -> None:
    words: dict[str, Any] = {"title": "Building", "summary": "…"}
    first = await repository.create_check("slipway/preview", SHA, "d-1", status="in_progress", **words)
    second = await repository.create_check("slipway/preview", SHA, "d-2", status="queued", **words)
    again = await repository.create_check("slipway/preview", SHA, "d-1", status="queued", **words)

    await repository.update_check(
        first, status="completed", conclusion="success", details_url="https://slipway.example/d/1", text="log", **words
    )

    assert await repository.find_check(SHA, "slipway/preview", "d-2") == second
    assert await repository.find_check(SHA, "slipway/preview", "d-1") == max(first, again)
    assert await repository.find_check(SHA, "slipway/preview", "d-3") is None
    judge.assert_called("checks/create", "checks/update", "checks/list-for-ref")


async def test_more_than_fifty_annotations_and_texts_without_end_are_taken(repository: Repository, judge: Any) -> None:
    spot = {"path": "a.py", "start_line": 3, "end_line": 4, "start_column": 1, "annotation_level": "failure"}
    spots = [{**spot, "message": "é" * 70_000, "title": "t" * 400}] * 120
    words: dict[str, Any] = {"title": "t" * 400, "summary": "s" * 70_000, "text": "\0\ud800" + "t" * 70_000}

    await repository.create_check(
        "slipway/preview", SHA, "d-1", status="completed", conclusion="failure", annotations=spots, **words
    )

    assert judge.calls["checks/update"] == 2


async def test_a_deployment_is_made_found_and_told_of(repository: Repository, judge: Any) -> None:
    made = await repository.create_deployment(SHA, "preview", "x" * 200, {"slipway": "d-1", "pull": 7}, True)
    other = await repository.create_deployment(SHA, "production", "one\nline", {"slipway": "d-2"}, False)

    await repository.set_deployment_status(
        made,
        "success",
        description="y" * 200,
        environment_url="https://pr-7--shop--acme.example",
        log_url="https://slipway.example/d/1",
    )
    await repository.set_deployment_status(other, "inactive", description="", auto_inactive=True)

    assert await repository.find_deployment(SHA, "preview", "d-1") == made
    assert await repository.find_deployment(SHA, "preview", "d-2") is None
    assert await repository.find_deployment("0" * 40, "preview", "d-1") is None


async def test_a_comment_is_made_found_and_edited(repository: Repository, judge: Any) -> None:
    for number in range(35):
        await repository.create_comment(7, f"chatter {number}")
    made = await repository.create_comment(7, "<!-- slipway:v1 {} -->\n" + "long\n" * 20_000)

    await repository.update_comment(made, "<!-- slipway:v1 {} -->\nhello")

    assert await repository.find_comment(7, "<!-- slipway:v1") == made
    assert await repository.find_comment(7, "<!-- other") is None


async def test_a_comment_that_somebody_deleted_is_a_404(repository: Repository, judge: Any) -> None:
    with pytest.raises(GitHubRefused) as refused:
        await repository.update_comment(1, "hello")

    assert refused.value.status == 404
    assert [one["kind"] for one in judge.problems()] == ["unknown-id"]
    judge.violations.clear()


async def test_a_role_is_asked_for_and_its_number_read(repository: Repository, judge: Any) -> None:
    answer = await repository.permission("octocat")
    assert {"user", "permission", "role_name"} <= set(answer)
    assert not isinstance(await role_of(repository, "octocat", answer["user"]["id"]), Unknown)
    assert isinstance(await role_of(repository, "octocat", answer["user"]["id"] + 1), Unknown)
    judge.assert_called("repos/get-collaborator-permission-level")


async def test_reviews_and_the_latest_checks_are_read(repository: Repository, judge: Any) -> None:
    first = await repository.create_check("build", SHA, "d-1", status="queued", title="t", summary="s")
    assert all("state" in review for review in await repository.reviews(7))
    assert first in [run["id"] for run in await repository.check_runs(SHA)]
    assert await repository.own_app() == APP_ID
    judge.assert_called("pulls/list-reviews", "checks/list-for-ref")


async def test_a_comment_is_reacted_to(repository: Repository, judge: Any) -> None:
    made = await repository.create_comment(7, "hello")
    for content in ("eyes", "rocket", "-1"):
        await repository.react(made, content)
    judge.assert_called("reactions/create-for-issue-comment")


async def test_what_a_promotion_is_judged_by_is_asked_for_properly(repository: Repository, judge: Any) -> None:
    base = (await repository.pull(7))["base"]["repo"]["id"]
    terms = Terms(deployers=(frozenset({"team:github/justice-league"}),))
    policy = Effective(
        environments={"production": terms}, agents=Agents(require=Require(deny_paths=frozenset({"infra/**"})))
    )
    asker = Facts("production", 1, "octocat", True, displayed_sha=SHA, stops=Stops(), policy=policy, agent="an agent")
    found = await facts(repository, base, 7, asker)
    assert isinstance(found.head_sha, str)
    assert isinstance(found.reviews, tuple) and isinstance(found.checks, tuple)
    assert isinstance(found.changed, Changed) and isinstance(found.actor_teams, frozenset)
    judge.assert_called("teams/get-membership-for-user-in-org", "pulls/list-files")


async def test_the_app_sees_its_installations_and_failed_deliveries(github: GitHub, judge: Any) -> None:
    assert (await github.app())["id"]
    assert [one["id"] for one in await github.installations()]
    assert [one["full_name"] for one in await github.installation_repositories(1)]
    for delivery in await github.failed_deliveries(0.0):
        await github.redeliver(delivery["id"])
    await github.redeliver(12)
    judge.assert_called("apps/list-webhook-deliveries", "apps/redeliver-webhook-delivery")


async def test_a_token_for_git_reads_code_and_nothing_else(repository: Repository, judge: Any) -> None:
    token = await repository.git_token()

    assert judge.tokens[token]["permissions"] == {"contents": "read"}


async def test_no_token_can_do_more_than_its_call_needs(repository: Repository, judge: Any) -> None:
    await repository.pull(7)
    await repository.create_comment(7, "hello")
    await repository.create_check("slipway/preview", SHA, "d", status="queued", title="t", summary="s")
    await repository.create_deployment(SHA, "preview", "", {"slipway": "d"}, True)
    await repository.permission("octocat")
    await repository.check_runs(SHA)

    granted = [record["permissions"] for record in judge.tokens.values()]
    assert granted == [
        {"pull_requests": "read"},
        {"pull_requests": "write"},
        {"checks": "write"},
        {"deployments": "write"},
        {"metadata": "read"},
        {"checks": "read"},
    ]


async def test_findings_go_to_code_scanning(repository: Repository, judge: Any) -> None:
    await repository.upload_sarif(SHA, "refs/pull/7/head", gzip.compress(b'{"version": "2.1.0", "runs": []}'))
    judge.assert_called("code-scanning/upload-sarif")
