"""Who asks, and whether they may: the app's JWT, installation tokens with their narrowing, people's tokens."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import jwt
from aiohttp import web

from demo.github.hub import HOUR, Hub
from demo.github.records import Repo, Token
from demo.github.rest.ask import Refused, missing

LIMIT = 5000  # calls an hour for one token, as for a small installation
_RANK = {"read": 1, "write": 2, "admin": 3}
_AHEAD = 600  # seconds that a JWT may be valid for
_PEOPLE_WRITE = {"contents", "deployments", "statuses"}  # what takes more of a person than being able to read


def credential(request: web.Request) -> tuple[str, str]:
    """The scheme in lower case and the secret; empty when there is none.  Basic: its password."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return scheme.lower(), secret.strip()
    try:
        name, _, password = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "basic", ""
    return "basic", password or name


def token(hub: Hub, request: web.Request) -> Token | None:
    """The token it comes with; None when it comes with nothing.  Raises Refused for a wrong one."""
    scheme, secret = credential(request)
    if not scheme:
        return None
    found = hub.valid(secret)
    if found is None:
        raise Refused(401, "Bad credentials")
    return found


def check_jwt(hub: Hub, request: web.Request, public_key: str | None) -> None:
    """Raises Refused unless the call carries a JWT of the app that GitHub would take."""
    scheme, secret = credential(request)
    if scheme != "bearer" or secret.count(".") != 2:
        raise Refused(401, "A JSON web token could not be decoded")
    claims = _claims(secret, public_key)
    now, issued, expires = hub.now(), claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise Refused(401, "Missing 'issued at' claim ('iat') or 'Expiration time' claim ('exp') in assertion")
    if issued > now + 1:
        raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time of the assertion")
    if expires > now + _AHEAD:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    if expires <= now:
        raise Refused(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if str(claims.get("iss")) not in (hub.app_id, hub.client_id):
        raise Refused(401, "'Issuer' claim ('iss') must be an Integer")


def _claims(secret: str, public_key: str | None) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    try:
        if jwt.get_unverified_header(secret).get("alg") != "RS256":
            raise Refused(401, "A JSON web token could not be decoded")
        if public_key is None:
            options["verify_signature"] = False
        return jwt.decode(secret, public_key or "", algorithms=["RS256"], options=options)
    except (jwt.PyJWTError, json.JSONDecodeError):
        raise Refused(401, "A JSON web token could not be decoded") from None


def check_rate(hub: Hub, token: Token) -> None:
    """Raises Refused when the hour's calls are used up."""
    if hub.now() >= token.window:
        token.used, token.window = 0, hub.now() + HOUR
    if token.used >= LIMIT:
        raise Refused(403, "API rate limit exceeded for installation.")


def rate_headers(token: Token | None) -> dict[str, str]:
    if token is None:
        return {}
    return {
        "X-RateLimit-Limit": str(LIMIT),
        "X-RateLimit-Remaining": str(max(0, LIMIT - token.used)),
        "X-RateLimit-Used": str(token.used),
        "X-RateLimit-Reset": str(int(token.window)),
        "X-RateLimit-Resource": "core",
    }


def check_repository(repo: Repo, token: Token | None, needs: tuple[str, ...]) -> None:
    """Raises Refused unless the token may do one of `needs` ("checks:write", ...) in the repository."""
    if not visible(repo, token):
        raise missing()
    if token is None:
        if any(need.endswith(":write") for need in needs):
            raise Refused(401, "Requires authentication")
        return
    if token.installation is None:
        _check_person(repo, token, needs)
        return
    have = {"metadata": "read", **token.permissions}
    pairs = [need.split(":") for need in needs]
    if pairs and not any(_RANK.get(have.get(name, ""), 0) >= _RANK[level] for name, level in pairs):
        wanted = {"X-Accepted-GitHub-Permissions": "; ".join(need.replace(":", "=") for need in needs)}
        raise Refused(403, "Resource not accessible by integration", headers=wanted)


def visible(repo: Repo, token: Token | None) -> bool:
    """Whether the bearer can know that the repository exists."""
    if token is None:
        return not repo.private
    if token.installation is None:
        return repo.may(token.user.login, "read")
    if token.installation.account.id != repo.owner.id:
        return not repo.private and token.repositories is None
    return token.repositories is None or repo.id in token.repositories


def may_push(repo: Repo, token: Token) -> bool:
    """Whether the bearer may change its branches."""
    if token.installation is None:
        return repo.may(token.user.login, "write")
    owned = token.installation.account.id == repo.owner.id
    return owned and token.permissions.get("contents") == "write"


def _check_person(repo: Repo, token: Token, needs: tuple[str, ...]) -> None:
    for need in needs:
        name, level = need.split(":")
        if level == "write" and name == "checks":
            raise Refused(403, "You must authenticate via a GitHub App.")
        if level == "write" and name in _PEOPLE_WRITE and not repo.may(token.user.login, "write"):
            raise Refused(403, "Must have push access to repository.")
