"""gidgethub over our wire, in few verbs: one, all, make, ask, change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any

import gidgethub.abc
import httpx
from gidgethub.sansio import accept_format

from bot.errors import GitHubDown
from bot.github.transport import USER_AGENT, Call, Credential, Wire

JSON = accept_format()


class Api(gidgethub.abc.GitHubAPI):
    """gidgethub's words over our wire.  gidgethub itself never sees a token: the wire puts it on."""

    def __init__(self, wire: Wire, credential: Credential) -> None:
        super().__init__(USER_AGENT, base_url=wire.base_url)
        self._wire, self._credential = wire, credential

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            call = Call(method, httpx.URL(url), headers, body)
        except httpx.InvalidURL as error:
            raise GitHubDown("GitHub's answer leads to an address that is none.") from error
        response = await self._wire.send(call, self._credential)
        return response.status_code, response.headers, response.content

    async def sleep(self, seconds: float) -> None:
        """gidgethub asks for it; nothing here sleeps by itself."""
        await self._wire.sleep(seconds)

    async def one(self, url: str, *, accept: str = JSON, **words: object) -> dict[str, Any]:
        """GET one thing."""
        return _thing(await _read(self.getitem(url, _strings(words), accept=accept)), url)

    async def all(self, url: str, key: str | None = None, **words: object) -> AsyncGenerator[dict[str, Any]]:
        """GET a list, page after page.  `key`: the member that holds the list."""
        async with aclosing(self.getiter(url, _strings(words), iterable_key=key or "")) as things:
            while True:
                try:
                    thing = await _read(anext(things))
                except StopAsyncIteration:
                    return
                yield _thing(thing, url)

    async def make(self, url: str, fields: Mapping[str, Any], **words: object) -> dict[str, Any]:
        """POST.  After GitHubDown it may have happened: read back before asking again."""
        return _thing(await _read(self.post(url, _strings(words), data=_clean(fields))), url)

    async def ask(self, url: str, **words: object) -> None:
        """POST without a body, for its effect only."""
        await _read(self.post(url, _strings(words), data=b""))

    async def query(self, text: str, **variables: str) -> dict[str, Any]:
        """Ask GraphQL something; the whole answer, with its errors."""
        fields = _clean({"query": text, "variables": variables})
        return _thing(await _read(self.post(self._wire.graphql, data=fields)), "/graphql")

    async def change(self, url: str, fields: Mapping[str, Any], **words: object) -> dict[str, Any]:
        """PATCH."""
        return _thing(await _read(self.patch(url, _strings(words), data=_clean(fields))), url)


def number_of(thing: Mapping[str, Any]) -> int:
    """GitHub's id of a thing."""
    number = thing.get("id")
    if not isinstance(number, int):
        raise GitHubDown("GitHub's answer has no id.")
    return number


async def _read(answer: Awaitable[Any]) -> Any:
    """What an answer says.  Raises GitHubDown for what is no answer of GitHub's: a proxy's page, half a body."""
    try:
        return await answer
    except gidgethub.GitHubException as error:
        raise GitHubDown(f"GitHub's answer makes no sense: {error}") from error
    except (ValueError, LookupError) as error:
        raise GitHubDown("GitHub's answer can't be read.") from error


def _thing(answer: Any, url: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise GitHubDown(f"GitHub's answer from {url.partition('{?')[0]} is no object.")
    return answer


def _strings(words: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in words.items()}


def _clean(value: Any) -> Any:
    """Text that GitHub takes: no NUL, no lone surrogates (logs of programs hold both)."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
