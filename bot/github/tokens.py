"""Who we are: the app's own JWT, and installation tokens that can do no more than one call needs."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from bot.errors import GitHubDown, Misconfigured
from bot.github.api import Api

BACKDATED = 60  # seconds that a JWT's birth lies in the past: GitHub's advice against clocks that differ
JWT_LIFE = 8 * 60  # seconds ahead; GitHub refuses more than ten minutes
JWT_SPARE = 2 * 60  # seconds of life that a JWT still has when it is replaced
TOKEN_SPARE = 5 * 60  # the same for installation tokens, which live one hour: git may be reading for a while
TOKENS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token may touch."""

    installation: int
    repository: int | str | None  # its number, or its name in the account; None: all of the installation
    permissions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    expires: float  # GitHub's clock, Unix seconds


class AppCredential:
    """The app itself, by JWT.  Its POSTs do no harm twice: a spare token, a delivery with the same GUID."""

    scope = account = "app"
    lane = None
    repeats = True

    def __init__(self, app_id: str, private_key: Callable[[], str], now: Callable[[], float]) -> None:
        self._app_id, self._private_key, self._now = app_id, private_key, now
        self._token: Token | None = None

    async def authorization(self) -> str:
        now = self._now()
        # Born in the future: our clock was corrected since.
        if self._token is None or not now + JWT_SPARE < self._token.expires <= now + JWT_LIFE + 1:
            self._token = self._sign(int(now))
        return f"Bearer {self._token.text}"

    def reject(self, authorization: str) -> None:
        self._token = None

    def _sign(self, now: int) -> Token:
        expires = now + JWT_LIFE
        claims = {"iat": now - BACKDATED, "exp": expires, "iss": self._app_id}
        try:
            return Token(jwt.encode(claims, self._private_key(), algorithm="RS256"), expires)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:  # the last: a public key
            raise Misconfigured("The app's private key is no RSA key in PEM form.") from error


class Tokens:
    """Installation tokens by scope: kept until shortly before they end, asked for once however many wait."""

    def __init__(self, app: Api, now: Callable[[], float]) -> None:
        self._app, self._now = app, now
        self._kept: dict[Scope, Token] = {}
        self._asked: dict[Scope, asyncio.Task[Token]] = {}

    async def get(self, scope: Scope) -> str:
        """Raises GitHubRefused (the installation is gone, or lacks a permission), GitHubDown, TryLater."""
        kept = self._kept.get(scope)
        if kept is not None and kept.expires - TOKEN_SPARE > self._now():
            return kept.text
        task = self._asked.get(scope)
        if task is None:
            task = self._asked[scope] = asyncio.create_task(self._ask(scope))
            task.add_done_callback(lambda done: self._arrived(scope, done))
        # One caller's cancellation must not take the token from the others.
        return (await asyncio.shield(task)).text

    def drop(self, scope: Scope, text: str) -> None:
        """Forget a token that GitHub no longer takes, unless it was replaced already."""
        kept = self._kept.get(scope)
        if kept is not None and kept.text == text:
            del self._kept[scope]

    async def close(self) -> None:
        """Forget all, and ask for no more."""
        self._kept.clear()
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, scope: Scope) -> Token:
        fields: dict[str, object] = {"permissions": dict(scope.permissions)}
        if isinstance(scope.repository, str):
            fields["repositories"] = [scope.repository]
        elif scope.repository is not None:
            fields["repository_ids"] = [scope.repository]
        answer = await self._app.make("/app/installations/{id}/access_tokens", fields, id=scope.installation)
        return _token(answer)

    def _arrived(self, scope: Scope, done: asyncio.Task[Token]) -> None:
        del self._asked[scope]
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._kept) >= TOKENS_KEPT:
            now = self._now()
            self._kept = {one: token for one, token in self._kept.items() if token.expires > now}
        self._kept[scope] = done.result()


class InstallationCredential:
    """The app inside one installation, with the rights of one scope."""

    repeats = False

    def __init__(self, tokens: Tokens, scope: Scope) -> None:
        self._tokens, self.scope = tokens, scope
        self.account, self.lane = scope.installation, scope.repository

    async def authorization(self) -> str:
        return f"token {await self._tokens.get(self.scope)}"

    def reject(self, authorization: str) -> None:
        self._tokens.drop(self.scope, authorization.removeprefix("token "))


def scope_of(installation: int, repository: int | str | None, permissions: Mapping[str, str]) -> Scope:
    return Scope(installation, repository, tuple(sorted(permissions.items())))


def _token(answer: Mapping[str, object]) -> Token:
    text, expires = answer.get("token"), answer.get("expires_at")
    if not isinstance(text, str) or not text:
        raise GitHubDown("GitHub gave no token.")
    try:
        moment = dt.datetime.fromisoformat(str(expires))
    except ValueError as error:
        raise GitHubDown("GitHub gave a token without an end.") from error
    return Token(text, moment.timestamp())
