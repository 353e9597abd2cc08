"""What we ask of a repository, where the contract kit has nothing to say."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bot.errors import GitHubDown, GitHubRefused
from bot.github.files import File, NotAFile
from tests.bot.github.stand import APP_ID, SHA, Stand

MARKER = "<!-- slipway:v1 {} -->"


def pages(*each: list[dict[str, Any]], key: str | None = None) -> Any:
    """A list over several pages, told of by Link headers."""

    def serve(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        headers = {}
        if page < len(each):
            following = request.url.copy_set_param("page", str(page + 1))
            headers["link"] = f'<{following}>; rel="next", <{request.url}>; rel="first"'
        body = {"total_count": 9, key: each[page - 1]} if key else each[page - 1]
        return httpx.Response(200, json=body, headers=headers)

    return serve


async def test_all_pages_are_read() -> None:
    async with Stand(pages([{"number": 1}], [{"number": 2}], [{"number": 3}])) as stand:
        assert [pull["number"] for pull in await stand.repository.open_pulls()] == [1, 2, 3]

        assert stand.requests[0].url.params["per_page"] == "100"


async def test_wrapped_lists_are_read_by_their_key() -> None:
    async with Stand(pages([{"id": 1}], [{"id": 2}], key="repositories")) as stand:
        assert [one["id"] for one in await stand.github.installation_repositories(7)] == [1, 2]

        assert json.loads(stand.minted[0].content) == {"permissions": {"metadata": "read"}}


def comment(
    number: int, body: str | None, app: object = None, login: str = "mona", kind: str = "User"
) -> dict[str, Any]:
    via = {"id": app} if isinstance(app, int) else app
    return {"id": number, "body": body, "performed_via_github_app": via, "user": {"login": login, "type": kind}}


async def test_a_marker_that_somebody_copied_does_not_make_a_comment_ours() -> None:
    forged = [
        comment(1, f"{MARKER} by a person"),
        comment(2, MARKER, app=999, login="other[bot]", kind="Bot"),
        comment(3, MARKER, login="slipway[bot]", kind="User"),
        comment(4, None, app=APP_ID),
        {"id": 5, "body": MARKER, "user": None},
    ]
    async with Stand(pages(forged, [comment(6, f"{MARKER}\nours", app=APP_ID)], [])) as stand:
        stand.github._identity = {"id": APP_ID, "slug": "slipway"}

        assert await stand.repository.find_comment(7, MARKER) == 6
        assert await stand.repository.find_comment(7, "<!-- other -->") is None


async def test_where_github_does_not_say_which_app_wrote_it_the_bots_name_counts() -> None:
    ours = comment(3, MARKER, login="slipway[bot]", kind="Bot")
    del ours["performed_via_github_app"]
    for given in (ours, comment(3, MARKER, login="slipway[bot]", kind="Bot")):
        async with Stand(pages([given])) as stand:
            stand.github._identity = {"id": APP_ID, "slug": "slipway"}

            assert await stand.repository.find_comment(7, MARKER) == 3


async def test_a_check_of_another_app_under_our_name_is_not_ours() -> None:
    def run(number: int, app: int | None, external: str | None = "d") -> dict[str, Any]:
        return {"id": number, "external_id": external, "app": {"id": app} if app else None}

    runs = [run(5, APP_ID), run(9, 999), run(8, None), run(7, APP_ID, "other"), run(6, APP_ID)]
    async with Stand(pages(runs, key="check_runs")) as stand:
        assert await stand.repository.find_check(SHA, "slipway/preview", "d") == 6

        asked = stand.requests[0].url.params
        assert dict(asked) == {
            "check_name": "slipway/preview",
            "app_id": str(APP_ID),
            "filter": "all",
            "per_page": "100",
        }


async def test_a_deployment_is_known_by_its_key_however_the_payload_comes_back() -> None:
    made = [
        {"id": 1, "payload": ""},
        {"id": 2, "payload": "[1"},
        {"id": 3, "payload": {"slipway": "other"}},
        {"id": 4, "payload": {"slipway": "d"}, "performed_via_github_app": {"id": 999}},
        {"id": 5, "payload": '{"slipway": "d"}', "performed_via_github_app": {"id": APP_ID}},
    ]
    async with Stand(pages(made)) as stand:
        assert await stand.repository.find_deployment(SHA, "preview", "d") == 5
        assert await stand.repository.find_deployment(SHA, "preview", "none") is None


async def test_a_merge_instead_of_a_deployment_is_a_refusal() -> None:
    answer = httpx.Response(202, json={"message": "Auto-merged main into topic on deployment."})
    async with Stand(lambda request: answer) as stand:
        with pytest.raises(GitHubRefused, match="Auto-merged") as refused:
            await stand.repository.create_deployment(SHA, "preview", "", {"slipway": "d"}, True)

        assert refused.value.status == 202
        sent = json.loads(stand.requests[0].content)
        assert (sent["auto_merge"], sent["required_contexts"], sent["production_environment"]) == (False, [], False)


async def test_a_deployment_of_another_commit_is_a_refusal() -> None:
    """P28: what GitHub made is compared with what was asked for."""
    answer = httpx.Response(201, json={"id": 9, "sha": "b" * 40})
    async with Stand(lambda request: answer) as stand:
        with pytest.raises(GitHubRefused, match="another commit"):
            await stand.repository.create_deployment(SHA, "production", "", {"slipway": "d"}, False)


async def test_a_deployment_that_conflicts_is_a_refusal() -> None:
    async with Stand(lambda request: httpx.Response(409, json={"message": "Conflict merging"})) as stand:
        with pytest.raises(GitHubRefused) as refused:
            await stand.repository.create_deployment(SHA, "production", "", {"slipway": "d"}, False)

        assert refused.value.status == 409


async def test_annotations_beyond_fifty_follow_fifty_at_a_time() -> None:
    spots = [
        {"path": "a", "start_line": n, "end_line": n, "annotation_level": "failure", "message": "m"} for n in range(120)
    ]
    async with Stand() as stand:
        await stand.repository.update_check(
            5, status="completed", conclusion="failure", title="t", summary="s", annotations=spots
        )

        outputs = [json.loads(request.content)["output"] for request in stand.requests]
        assert [len(output["annotations"]) for output in outputs] == [50, 50, 20]
        assert [spot["start_line"] for output in outputs for spot in output["annotations"]] == list(range(120))


async def test_check_runs_come_with_every_page_or_not_at_all() -> None:
    served = pages([{"id": 1}], [{"id": 2}], key="check_runs")

    def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502) if request.url.params.get("page") == "2" else served(request)

    async with Stand(served) as stand:
        assert [run["id"] for run in await stand.repository.check_runs(SHA)] == [1, 2]
        assert dict(stand.requests[0].url.params) == {"filter": "latest", "per_page": "100"}
    async with Stand(broken) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.check_runs(SHA)


async def test_a_reaction_that_is_there_already_is_no_error() -> None:
    async with Stand(lambda request: httpx.Response(200, json={"id": 1})) as stand:
        await stand.repository.react(5, "eyes")

        assert stand.requests[0].url.path == "/repos/acme/shop/issues/comments/5/reactions"
        assert json.loads(stand.requests[0].content) == {"content": "eyes"}


async def test_nothing_is_said_of_addresses_that_are_not_known() -> None:
    async with Stand() as stand:
        await stand.repository.set_deployment_status(5, "in_progress", description="two\nlines")

        assert json.loads(stand.requests[0].content) == {
            "state": "in_progress",
            "description": "two lines",
            "auto_inactive": False,
        }


async def test_an_answer_without_an_id_is_github_being_down() -> None:
    async with Stand(lambda request: httpx.Response(201, json={"url": "x"})) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.create_comment(7, "hello")


# ---- files


def file(**more: object) -> httpx.Response:
    raw = {"type": "file", "encoding": "base64", "sha": "s1", "content": "dmVyc2lvbjog\nMQo=\n"}
    return httpx.Response(200, json=raw | more)


async def test_a_file_comes_as_it_is_and_from_the_default_branch_unless_a_commit_is_named() -> None:
    async with Stand(lambda request: file()) as stand:
        assert await stand.repository.file(".slipway.yml") == File("s1", b"version: 1\n")
        assert await stand.repository.file(".slipway.yml", SHA) == File("s1", b"version: 1\n")

        first, second = stand.requests
        assert (first.url.path, dict(first.url.params)) == ("/repos/acme/shop/contents/.slipway.yml", {})
        assert dict(second.url.params) == {"ref": SHA}
        assert "object" in first.headers["accept"]


async def test_a_file_that_is_not_there_is_none() -> None:
    async with Stand(lambda request: httpx.Response(404, json={"message": "Not Found"})) as stand:
        assert await stand.repository.file(".slipway.yml") is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"type": "dir", "entries": []}, "a folder"),
        ({"type": "symlink"}, "a symbolic link"),
        ({"type": "submodule"}, "a submodule"),
        ({"type": None}, "no file"),
        ({"encoding": "none", "content": ""}, "too large"),
    ],
)
async def test_what_is_no_file_is_not_taken_for_one(raw: dict[str, object], words: str) -> None:
    async with Stand(lambda request: file(**raw)) as stand:
        with pytest.raises(NotAFile, match=words):
            await stand.repository.file(".slipway.yml")


@pytest.mark.parametrize(
    "raw", [{"content": None}, {"content": "é"}, {"content": "dmV"}, {"sha": 5}, {"encoding": "x"}]
)
async def test_half_an_answer_is_github_being_down(raw: dict[str, object]) -> None:
    async with Stand(lambda request: file(**raw)) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.file(".slipway.yml")


async def test_a_refused_token_is_not_a_missing_file() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"message": "Bad credentials"})

    async with Stand(gone) as stand:
        serve, tokens = stand._serve, 0

        def refuse(request: httpx.Request) -> httpx.Response:
            nonlocal tokens
            if request.url.path.endswith("/access_tokens"):
                tokens += 1
                if tokens > 1:
                    return httpx.Response(404, json={"message": "Not Found"})
            return serve(request)

        stand._http._transport = httpx.MockTransport(refuse)
        with pytest.raises(GitHubRefused) as refused:
            await stand.repository.file(".slipway.yml")

        assert refused.value.status == 404 and "access_tokens" in str(refused.value)


async def test_where_two_branches_grew_apart_is_asked_without_their_commits() -> None:
    answer = httpx.Response(200, json={"merge_base_commit": {"sha": "c" * 40}, "commits": []})
    async with Stand(lambda request: answer) as stand:
        assert await stand.repository.merge_base("feature/x", SHA) == "c" * 40

        (asked,) = stand.requests
        assert asked.url.raw_path.startswith(f"/repos/acme/shop/compare/feature%2Fx...{SHA}?".encode())
        assert dict(asked.url.params) == {"per_page": "1"}


async def test_a_repository_whose_number_nobody_knows_is_named_in_the_token() -> None:
    async with Stand(lambda request: file()) as stand:
        await stand.github.repository(7, ".github", "acme/.github").file(".slipway.yml")

        asked = json.loads(stand.minted[0].content)
        assert asked == {"permissions": {"contents": "read"}, "repositories": [".github"]}


# ---- the app


def delivery(number: int, guid: str, at: str, status: str = "timed out") -> dict[str, Any]:
    return {"id": number, "guid": guid, "delivered_at": at, "status": status}


async def test_failed_deliveries_end_where_we_have_looked_before() -> None:
    first = [
        delivery(9, "a", "2026-11-20T10:00:00Z"),
        delivery(8, "b", "2026-11-20T09:00:00Z", status="OK"),
        delivery(7, "a", "2026-11-20T08:00:00Z"),
    ]
    second = [delivery(6, "c", "2026-11-20T07:00:00Z"), delivery(5, "d", "2026-11-19T07:00:00Z")]
    third = [delivery(4, "e", "2026-11-18T07:00:00Z")]
    since = 1_795_140_000.0  # 2026-11-20T02:00:00Z
    async with Stand(pages(first, second, third)) as stand:
        failed = await stand.github.failed_deliveries(since)

        assert [one["id"] for one in failed] == [9, 6]
        assert len(stand.requests) == 2
        assert stand.requests[0].url.params["status"] == "failure"


async def test_a_client_id_signs_as_well_and_the_number_is_asked_for() -> None:
    async with Stand(lambda request: httpx.Response(200, json={"id": 77, "slug": "slipway"})) as stand:
        stand.github._settings = stand.github._settings.model_copy(update={"github_app_id": "Iv23li"})

        assert [await stand.github.app_id() for _ in range(3)] == [77] * 3
        assert len(stand.requests) == 1
