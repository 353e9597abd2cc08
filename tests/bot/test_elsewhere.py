"""A decision made by somebody else's service: asked with a signature, and no answer denies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from bot.permissions.elsewhere import LARGEST, decisions, key_of
from bot.policy import Unknown, judge
from bot.policy.terms import Effective, ExtraCheck, Terms
from tests.bot.policy.test_rules import GOOD, HEAD, facts

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "the webhook secret"


class Opa:
    """A service that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url, self.answer = "", web.json_response
        self.asked: list[tuple[bytes, str]] = []
        self.says: Answer = self.yes

    async def yes(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"allow": True})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((await request.read(), request.headers.get("X-Slipway-Signature-256", "")))
        return await self.says(request)

    async def said(self, timeout: int = 3) -> bool | Unknown:
        terms = Terms(extra_checks=frozenset({ExtraCheck(webhook=self.url, timeout=timeout)}))
        policy = Effective(environments={"production": terms})
        answers = await decisions(facts(GOOD, policy=policy), "acme/shop", 7, SECRET)
        assert bool(judge(facts(GOOD, policy=policy, extra=answers))) is (answers[self.url] is not True)
        return answers[self.url]


@pytest.fixture
async def opa() -> AsyncIterator[Opa]:
    one = Opa()
    application = web.Application()
    application.router.add_post("/decide", one.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/decide"
    yield one
    await runner.cleanup()


async def test_it_is_asked_about_this_commit_with_a_signature_of_its_own(opa: Opa) -> None:
    assert await opa.said() is True
    ((body, signature),) = opa.asked
    assert json.loads(body)["sha"] == HEAD
    key = key_of(SECRET, opa.url)
    assert signature == f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
    assert key != key_of(SECRET, "https://other.example.org")
    assert SECRET not in key


async def test_nobody_is_asked_where_the_policy_names_nobody() -> None:
    assert await decisions(GOOD, "acme/shop", 7, SECRET) == {}


async def test_no_is_no(opa: Opa) -> None:
    async def no(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"allow": False})

    opa.says = no
    assert await opa.said() is False


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(text="yes"),
        web.Response(text='{"allow": "true"}'),
        web.Response(text="[" * 20_000),
        web.Response(text="x" * (LARGEST + 1)),
        web.Response(text='{"allow": 1}'),
    ],
    ids=["error", "redirect", "no JSON", "a text", "nested", "endless", "a number"],
)
async def test_what_is_no_answer_denies(opa: Opa, answer: web.Response) -> None:
    async def odd(_request: web.Request) -> web.StreamResponse:
        return answer

    opa.says = odd
    assert isinstance(await opa.said(), Unknown)


async def test_silence_denies(opa: Opa) -> None:
    waiting = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await waiting.wait()
        return web.json_response({"allow": True})

    opa.says = silent
    said = await opa.said(timeout=0)
    waiting.set()
    assert isinstance(said, Unknown)
    assert "did not answer" in said.why


async def test_a_service_that_is_not_there_denies() -> None:
    opa = Opa()
    opa.url = "http://127.0.0.1:1/decide"
    assert isinstance(await opa.said(), Unknown)
