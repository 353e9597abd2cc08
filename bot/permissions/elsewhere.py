"""Decisions that a policy leaves to somebody else's service, asked by a signed webhook.

The body is JSON: `project`, `pull`, `environment`, `sha`, `actor` (number and login), `author`, `agent`, `at`.  The
header `X-Slipway-Signature-256` is `sha256=` and the HMAC of the body with a key of the address's own (`key_of`), so
that who runs one service can't speak for another, nor for GitHub.  A 200 with `{"allow": true}` or `{"allow": false}`
is an answer; everything else, and none in time, is none and denies.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping

import httpx

from bot.policy import Facts, Unknown
from bot.policy.terms import ExtraCheck

LARGEST = 64 * 1024  # bytes of an answer that are read


def key_of(secret: str, url: str) -> str:
    """What the webhook at this address is signed with: hex, made of the webhook secret, which it does not give away."""
    return hmac.new(secret.encode(), b"slipway extra check\n" + url.encode(), hashlib.sha256).hexdigest()


async def decisions(facts: Facts, project: str, number: int, secret: str) -> Mapping[str, bool | Unknown]:
    """What every service that the policy names says about this, by its address."""
    asked = [one for one in facts.terms.extra_checks if one.webhook is not None]
    if not asked:
        return {}
    body = json.dumps(
        {
            "project": project,
            "pull": number,
            "environment": facts.environment,
            "sha": next((one for one in (facts.displayed_sha, facts.head_sha) if isinstance(one, str)), None),
            "actor": {"id": facts.actor_id, "login": facts.actor_login} if facts.actor_id else None,
            "author": facts.author_id if isinstance(facts.author_id, int) else None,
            "agent": facts.agent,
            "at": facts.now,
        }
    ).encode()
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as http:
        said = await asyncio.gather(*(_ask(http, one, body, secret) for one in asked))
    return {str(one.webhook): answer for one, answer in zip(asked, said, strict=True)}


async def _ask(http: httpx.AsyncClient, one: ExtraCheck, body: bytes, secret: str) -> bool | Unknown:
    url = str(one.webhook)
    signature = hmac.new(key_of(secret, url).encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Slipway-Signature-256": f"sha256={signature}"}
    try:
        async with asyncio.timeout(one.timeout), http.stream("POST", url, content=body, headers=headers) as answer:
            if answer.status_code != 200:
                return Unknown(f"it answers with {answer.status_code}")
            read = b""
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > LARGEST:
                    return Unknown("its answer is too long")
    except TimeoutError:
        return Unknown(f"it did not answer within {one.timeout} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Unknown(f"it can't be reached: {type(error).__name__}")
    return _allowed(read)


def _allowed(raw: bytes) -> bool | Unknown:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return Unknown("its answer is no JSON")
    allow = said.get("allow") if isinstance(said, dict) else None
    return allow if isinstance(allow, bool) else Unknown('its answer has no "allow" that is true or false')
