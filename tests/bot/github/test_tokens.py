"""Who we are: JWTs and installation tokens."""

from __future__ import annotations

import asyncio
import json

import httpx
import jwt
import pytest

from bot.errors import GitHubDown, GitHubRefused, Misconfigured
from bot.github import GitHub
from bot.github.tokens import AppCredential
from tests.bot.github.stand import APP_ID, Stand, private_pem, public_pem, settings


def sent_by(request: httpx.Request) -> str:
    return str(request.headers["authorization"])


async def test_the_app_signs_for_eight_minutes_at_most() -> None:
    async with Stand() as stand:
        await stand.github.app()
        token = sent_by(stand.requests[0]).removeprefix("Bearer ")

    said = jwt.decode(token, public_pem(), algorithms=["RS256"], options={"verify_iat": False, "verify_exp": False})
    assert said == {"iat": 1_800_000_000 - 60, "exp": 1_800_000_000 + 480, "iss": str(APP_ID)}


async def test_a_jwt_is_used_until_it_grows_old() -> None:
    now = 1_800_000_000.0
    credential = AppCredential("1", private_pem, lambda: now)
    first = await credential.authorization()
    now += 300
    assert await credential.authorization() == first
    now += 100
    assert await credential.authorization() != first


async def test_a_jwt_that_was_born_in_the_future_is_signed_anew() -> None:
    now = 1_800_000_000.0
    credential = AppCredential("1", private_pem, lambda: now)
    first = await credential.authorization()
    now -= 60
    assert await credential.authorization() != first


@pytest.mark.parametrize("key", ["", "no key", private_pem()[:-200], public_pem()])
async def test_a_key_that_is_none_is_a_wrong_setting(key: str) -> None:
    with pytest.raises(Misconfigured):
        await AppCredential("1", lambda: key, lambda: 0.0).authorization()


async def test_a_token_is_for_one_repository_and_what_the_call_needs() -> None:
    async with Stand() as stand:
        await stand.repository.pull(7)

        assert json.loads(stand.minted[0].content) == {"repository_ids": [42], "permissions": {"pull_requests": "read"}}


async def test_a_token_is_kept_until_five_minutes_before_its_end() -> None:
    async with Stand() as stand:
        assert await stand.repository.git_token() == "ghs_1"
        stand.clock.now += 3299
        assert await stand.repository.git_token() == "ghs_1"
        stand.clock.now += 2
        assert await stand.repository.git_token() == "ghs_2"


async def test_tokens_of_other_repositories_and_other_rights_are_other_tokens() -> None:
    async with Stand() as stand:
        await stand.repository.pull(7)
        await stand.repository.git_token()
        await stand.github.repository(7, 43, "acme/till").pull(7)
        await stand.github.repository(8, 42, "acme/shop").pull(7)

        assert len(stand.minted) == 4


async def test_many_who_wait_ask_once() -> None:
    async with Stand() as stand:
        tokens = await asyncio.gather(*(stand.repository.git_token() for _ in range(20)))

        assert set(tokens) == {"ghs_1"}
        assert len(stand.minted) == 1


async def test_one_that_is_cancelled_does_not_take_the_token_from_the_others() -> None:
    async with Stand() as stand:
        first = asyncio.create_task(stand.repository.git_token())
        second = asyncio.create_task(stand.repository.git_token())
        await asyncio.sleep(0)
        first.cancel()

        assert await second == "ghs_1"
        assert len(stand.minted) == 1


async def test_a_token_that_github_no_longer_takes_is_replaced_once() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401 if sent_by(request) == "token ghs_1" else 201, json={"id": 5})

    async with Stand(serve) as stand:
        assert await stand.repository.create_comment(7, "hello") == 5

        assert [sent_by(request) for request in stand.requests] == ["token ghs_1", "token ghs_2"]


async def test_an_account_that_is_not_let_in_at_all_is_not_asked_for_ever() -> None:
    async with Stand(lambda request: httpx.Response(401, json={"message": "Bad credentials"})) as stand:
        with pytest.raises(GitHubRefused) as refused:
            await stand.repository.pull(7)

        assert refused.value.status == 401
        assert len(stand.requests) == 2


@pytest.mark.parametrize("answer", [{}, {"token": ""}, {"token": "x", "expires_at": "soon"}, {"token": 5}])
async def test_a_token_without_sense_is_github_being_down(answer: dict[str, object]) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(201, json=answer))
    async with httpx.AsyncClient(transport=transport) as http, GitHub(settings(), http) as github:
        with pytest.raises(GitHubDown):
            await github.repository(7, 42, "acme/shop").git_token()


async def test_an_installation_that_is_gone_is_refused_and_asked_again_next_time() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(404, json={"message": "Not Found"}))
    async with httpx.AsyncClient(transport=transport) as http, GitHub(settings(), http) as github:
        for _ in range(2):
            with pytest.raises(GitHubRefused):
                await github.repository(7, 42, "acme/shop").git_token()


async def test_closing_ends_what_is_still_asked_for() -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def serve(request: httpx.Request) -> httpx.Response:
        asked.set()
        await never.wait()
        return httpx.Response(201)

    async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as http:
        async with GitHub(settings(), http) as github:
            waiting = asyncio.create_task(github.repository(7, 42, "acme/shop").git_token())
            await asked.wait()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_client_of_its_own_is_closed() -> None:
    async with GitHub(settings()) as github:
        pass

    assert github._http.is_closed
