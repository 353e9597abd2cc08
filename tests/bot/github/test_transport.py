"""The wire: where a token goes, what is tried again, when we wait."""

from __future__ import annotations

import asyncio
import email.utils
import json
from typing import Any

import httpx
import jwt
import pytest

from bot.errors import GitHubDown, GitHubRefused, TryLater
from tests.bot.github.stand import API, SHA, Stand, in_turn

OK = {"id": 1, "number": 7}
LIMITED = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


def answer(status: int = 200, json: Any = OK, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=json, headers={name.replace("_", "-"): text for name, text in headers.items()})


# ---- where a token goes


async def test_a_link_header_to_a_foreign_host_is_not_followed() -> None:
    link = '<https://evil.example/repos/acme/shop/pulls?page=2>; rel="next"'
    async with Stand(lambda request: answer(json=[OK], link=link)) as stand:
        with pytest.raises(GitHubDown, match=r"evil\.example"):
            await stand.repository.open_pulls()

        assert {request.url.host for request in stand.requests} == {"api.github.com"}


@pytest.mark.parametrize(
    "address",
    [
        "http://api.github.com/repos/acme/shop/pulls",  # no longer encrypted
        "https://api.github.com:8443/repos/acme/shop/pulls",
        "https://api.github.com@evil.example/repos",
        "https://api.github.com.evil.example/repos",
        "https://evil.example/https://api.github.com/",
        "//evil.example/repos",
        "https://someone:word@api.github.com/repos",
    ],
)
@pytest.mark.parametrize("way", ["link", "redirect"])
async def test_no_token_leaves_for_an_address_that_only_looks_like_githubs(address: str, way: str) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if len(stand.requests) > 1:
            return answer(json=[])
        if way == "redirect":
            return answer(302, location=address)
        return answer(json=[], link=f'<{address}>; rel="next"')

    async with Stand(serve) as stand:
        try:
            await stand.repository.open_pulls()
        except GitHubDown:
            assert way == "link"

        for request in stand.requests:
            if not str(request.url).startswith(f"{API}/"):
                assert "ghs_" not in str(request.headers.raw)


async def test_a_redirect_to_a_foreign_host_is_read_without_the_token() -> None:
    stand = Stand(in_turn(answer(302, location="https://storage.example/pull.json"), answer()))
    async with stand:
        assert (await stand.repository.pull(7))["number"] == 7

        first, second = stand.requests
        assert first.headers["authorization"] == "token ghs_1"
        assert second.url == "https://storage.example/pull.json"
        assert "authorization" not in second.headers


async def test_a_write_is_not_carried_to_a_foreign_host() -> None:
    async with Stand(lambda request: answer(307, location="https://evil.example/comments")) as stand:
        with pytest.raises(GitHubDown, match=r"evil\.example"):
            await stand.repository.create_comment(7, "a secret")

        assert [request.url.host for request in stand.requests] == ["api.github.com"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_renamed_repository_is_followed_with_the_same_method_and_body(status: int) -> None:
    moved = answer(status, location="/repositories/42/issues/7/comments")
    async with Stand(in_turn(moved, answer(201))) as stand:
        assert await stand.repository.create_comment(7, "hello") == 1

        last = stand.requests[-1]
        assert (last.method, last.url.path) == ("POST", "/repositories/42/issues/7/comments")
        assert json.loads(last.content) == {"body": "hello"}
        assert last.headers["authorization"] == "token ghs_1"


async def test_a_redirect_outside_the_path_of_the_api_takes_no_token_along() -> None:
    base = "https://ghe.example/api/v3"
    moved = answer(302, location="https://ghe.example/api/v3/../../login")
    async with Stand(in_turn(moved, answer()), api_url=base) as stand:
        await stand.repository.pull(7)

        first, second = stand.requests
        assert first.url.path == "/api/v3/repos/acme/shop/pulls/7"
        assert "authorization" not in second.headers


async def test_redirects_in_circles_end() -> None:
    async with Stand(lambda request: answer(302, location=str(request.url))) as stand:
        with pytest.raises(GitHubDown, match="circles"):
            await stand.repository.pull(7)


@pytest.mark.parametrize("location", ["http://[", "ftp://api.github.com/x", "https://api.github.com:99999999/"])
async def test_a_redirect_to_nowhere_is_githubs_fault(location: str) -> None:
    async with Stand(lambda request: answer(302, location=location)) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.pull(7)


async def test_names_of_a_repository_cannot_leave_its_path() -> None:
    async with Stand() as stand:
        await stand.github.repository(7, 42, "acme/x?y#z/../..").pull(7)

        assert stand.requests[0].url.raw_path == b"/repos/acme/x%3Fy%23z%2F..%2F../pulls/7"


# ---- what every request carries


async def test_every_request_says_who_asks_and_which_version_it_means() -> None:
    async with Stand() as stand:
        await stand.repository.pull(7)

        for request in (*stand.requests, *stand.minted):
            assert request.headers["x-github-api-version"] == "2022-11-28"
            assert request.headers["user-agent"] == "slipway"
            assert request.headers["accept"] == "application/vnd.github.v3+json"


async def test_what_a_program_wrote_is_sent_as_text_that_github_takes() -> None:
    async with Stand() as stand:
        await stand.repository.create_comment(7, "a\0b\ud800c é")

        assert json.loads(stand.requests[0].content) == {"body": "ab?c é"}


# ---- trying again


@pytest.mark.parametrize(
    "trouble", [answer(502), answer(500, json="x"), httpx.ReadTimeout("slow"), httpx.ReadError("cut")]
)
async def test_reading_is_tried_three_times(trouble: httpx.Response | Exception) -> None:
    async with Stand(in_turn(trouble, trouble, answer())) as stand:
        assert (await stand.repository.pull(7))["number"] == 7

        first, second = stand.clock.slept
        assert 0.25 <= first <= 0.75
        assert 0.5 <= second <= 1.5


@pytest.mark.parametrize("trouble", [answer(502), httpx.ConnectError("refused")])
async def test_after_three_times_github_is_down(trouble: httpx.Response | Exception) -> None:
    async with Stand(in_turn(trouble)) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.pull(7)

        assert len(stand.requests) == 3


async def test_an_edit_is_tried_again() -> None:
    async with Stand(in_turn(httpx.ReadTimeout("slow"), answer(502), answer())) as stand:
        await stand.repository.update_comment(9, "hello")

        assert [request.method for request in stand.requests] == ["PATCH"] * 3


@pytest.mark.parametrize("trouble", [answer(502), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("gone")])
async def test_a_creation_that_may_have_happened_is_never_repeated_blindly(trouble: httpx.Response | Exception) -> None:
    async with Stand(in_turn(trouble, answer(201))) as stand:
        with pytest.raises(GitHubDown):
            await stand.repository.create_comment(7, "hello")

        assert len(stand.requests) == 1


async def test_a_creation_that_never_left_is_repeated() -> None:
    async with Stand(in_turn(httpx.ConnectError("refused"), answer(201))) as stand:
        assert await stand.repository.create_comment(7, "hello") == 1


async def test_what_is_no_answer_of_githubs_is_github_being_down() -> None:
    page = httpx.Response(200, text="<html>Please log in</html>", headers={"content-type": "text/html"})
    half = httpx.Response(200, content=b'{"id": ', headers={"content-type": "application/json"})
    for nonsense in (page, half, answer(json=[1]), answer(304), answer(json=None)):
        async with Stand(in_turn(nonsense)) as stand:
            with pytest.raises(GitHubDown):
                await stand.repository.pull(7)
            with pytest.raises(GitHubDown):
                await stand.repository.create_comment(7, "hello")


# ---- refusals


async def test_a_refusal_says_what_and_why() -> None:
    body = {"message": "Validation Failed", "errors": [{"field": "head_sha", "code": "invalid"}, "and more"]}
    async with Stand(lambda request: answer(422, json=body)) as stand:
        with pytest.raises(GitHubRefused) as refused:
            await stand.repository.create_comment(7, "hello")

        words = (
            "GitHub refused POST /repos/acme/shop/issues/7/comments: 422 Validation Failed; head_sha invalid; and more"
        )
        assert (str(refused.value), refused.value.status) == (words, 422)


async def test_a_missing_permission_is_named() -> None:
    body = {"message": "Resource not accessible by integration"}
    async with Stand(lambda request: answer(403, json=body, x_accepted_github_permissions="checks=write")) as stand:
        with pytest.raises(GitHubRefused, match=r"not accessible by integration \(the app needs checks=write\)"):
            await stand.repository.pull(7)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'"no"', b'{"errors": {"a": 1}}', b'{"message": null}'])
async def test_a_refusal_without_sense_is_still_one(body: bytes) -> None:
    async with Stand(lambda request: httpx.Response(404, content=body)) as stand:
        with pytest.raises(GitHubRefused) as refused:
            await stand.repository.pull(7)

        assert refused.value.status == 404


# ---- being told to wait


async def test_a_short_wait_is_slept_through_even_for_a_creation() -> None:
    async with Stand(in_turn(answer(403, json=LIMITED, retry_after="1"), answer(201))) as stand:
        assert await stand.repository.create_comment(7, "hello") == 1

        assert stand.clock.slept == [1.0]


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        (answer(429, json=LIMITED, retry_after="37"), 37),
        (answer(403, json=LIMITED, retry_after="37"), 37),
        (answer(403, json=LIMITED), 60),
        (answer(429, json={}), 60),
        (answer(403, json={}, x_ratelimit_remaining="0", x_ratelimit_reset="1800000090"), 90),
        (answer(503, json={}, retry_after="120"), 120),
        (answer(429, json={}, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 60),
    ],
)
async def test_a_long_wait_goes_back_to_the_queue(limit: httpx.Response, seconds: float) -> None:
    async with Stand(in_turn(limit)) as stand:
        with pytest.raises(TryLater) as later:
            await stand.repository.create_comment(7, "hello")

        assert later.value.until.timestamp() == stand.clock() + seconds
        assert stand.clock.slept == []


async def test_while_we_are_told_to_wait_nothing_of_that_account_is_asked() -> None:
    async with Stand(in_turn(answer(403, json=LIMITED, retry_after="37"), answer())) as stand:
        for _ in range(2):
            with pytest.raises(TryLater):
                await stand.repository.pull(7)
        assert len(stand.requests) == 1

        await stand.github.repository(8, 43, "other/shop").pull(7)
        stand.clock.now += 38
        await stand.repository.pull(7)
        assert len(stand.requests) == 3


async def test_a_wait_that_never_ends_goes_back_to_the_queue() -> None:
    async with Stand(in_turn(answer(429, json={}, retry_after="0"))) as stand:
        with pytest.raises(TryLater):
            await stand.repository.pull(7)

        assert len(stand.requests) == 3


async def test_a_forbidden_thing_is_no_rate_limit() -> None:
    async with Stand(lambda request: answer(403, json={"message": "Forbidden"}, x_ratelimit_remaining="10")) as stand:
        with pytest.raises(GitHubRefused):
            await stand.repository.pull(7)


# ---- answers kept


def versioned(request: httpx.Request) -> httpx.Response:
    if request.headers.get("if-none-match") == 'W/"1"':
        return httpx.Response(304)
    return answer(json=[OK], etag='W/"1"')


async def test_a_list_that_has_not_changed_is_asked_for_by_its_tag() -> None:
    async with Stand(versioned) as stand:
        first = await stand.repository.open_pulls()
        first[0]["number"] = "spoilt"

        assert await stand.repository.open_pulls() == [OK]
        assert stand.requests[1].headers["if-none-match"] == 'W/"1"'


async def test_an_answer_is_never_given_to_another_installation() -> None:
    async with Stand(versioned) as stand:
        await stand.repository.open_pulls()
        await stand.github.repository(8, 42, "acme/shop").open_pulls()
        await stand.github.repository(7, 43, "acme/shop").open_pulls()

        assert all("if-none-match" not in request.headers for request in stand.requests)


async def test_answers_kept_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.github.transport.CACHE_BYTES", 100)

    def serve(request: httpx.Request) -> httpx.Response:
        return answer(json={"id": 1, "text": "x" * 40}, etag=str(request.url))

    async with Stand(serve) as stand:
        for number in (1, 2, 1, 3, 3):  # there is room for one
            await stand.repository.pull(number)

        assert ["if-none-match" in request.headers for request in stand.requests] == [False] * 4 + [True]


# ---- how much at once


class Gate:
    """Counts the requests that are under way."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        if request.url.path.endswith("/access_tokens"):
            return answer(201, json={"token": "ghs_1", "expires_at": "2030-01-01T00:00:00Z"})
        return answer()


async def test_ten_requests_at_once_and_no_more() -> None:
    gate = Gate()
    async with Stand() as stand, httpx.AsyncClient(transport=httpx.MockTransport(gate)) as http:
        stand.github._wire._http = http
        await asyncio.gather(*(stand.repository.pull(number) for number in range(40)))

    assert gate.most == 10


async def test_writes_to_one_repository_go_one_at_a_time() -> None:
    gate = Gate()
    async with Stand() as stand, httpx.AsyncClient(transport=httpx.MockTransport(gate)) as http:
        stand.github._wire._http = http
        await stand.repository.create_comment(7, "first, for the token")
        gate.most = 0
        await asyncio.gather(*(stand.repository.create_comment(7, str(number)) for number in range(5)))

    assert gate.most == 1


# ---- clocks


async def test_a_clock_that_is_wrong_is_corrected_by_githubs() -> None:
    """The first JWT is refused for its time; the refusal's Date tells the right one."""
    clock_of_github = 1_800_000_000.0 + 3600

    def serve(request: httpx.Request) -> httpx.Response:
        return answer(
            401 if len(stand.requests) == 1 else 200, json=OK, date=email.utils.formatdate(clock_of_github, usegmt=True)
        )

    async with Stand(serve) as stand:
        await stand.github.app()

        assert stand.github._wire.now() == clock_of_github
        assert claims(stand.requests[0])["iat"] == 1_800_000_000 - 60
        assert claims(stand.requests[1])["iat"] == int(clock_of_github) - 60


def claims(request: httpx.Request) -> dict[str, Any]:
    token = request.headers["authorization"].removeprefix("Bearer ")
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def test_a_second_of_difference_is_no_difference() -> None:
    date = email.utils.formatdate(1_800_000_003, usegmt=True)
    async with Stand(lambda request: answer(date=date)) as stand:
        await stand.repository.pull(7)

        assert stand.github._wire.now() == stand.clock()


async def test_a_stand_in_at_a_path_of_its_own_is_served() -> None:
    async with Stand(api_url="http://127.0.0.1:9999/api/v3") as stand:
        await stand.repository.create_check("n", SHA, "d", status="queued", title="t", summary="s")

        assert str(stand.requests[0].url) == "http://127.0.0.1:9999/api/v3/repos/acme/shop/check-runs"
        assert str(stand.minted[0].url) == "http://127.0.0.1:9999/api/v3/app/installations/7/access_tokens"
        assert API not in str(stand.requests[0].url)
