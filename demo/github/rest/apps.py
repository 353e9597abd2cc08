"""The app about itself: installations, tokens, deliveries."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from demo.github.records import Installation, Json, stamp
from demo.github.rest import answers
from demo.github.rest.ask import TOKEN, Ask, Refused, missing
from demo.github.shapes import accounts, repositories

_RANK = {"read": 1, "write": 2, "admin": 3}
_MOST_REPOSITORIES = 500


async def get_app(ask: Ask) -> web.Response:
    count = len(ask.hub.installations)
    return answers.one(accounts.app(ask.hub) | {"installations_count": count})


async def list_installations(ask: Ask) -> web.Response:
    rows = list(ask.hub.installations.values())
    return answers.many(ask, rows, lambda one: accounts.installation(ask.hub, one))


def _installation(ask: Ask) -> Installation:
    one = ask.hub.installations.get(ask.number("installation_id"))
    if one is None:
        raise missing()
    return one


async def get_installation(ask: Ask) -> web.Response:
    return answers.one(accounts.installation(ask.hub, _installation(ask)))


async def get_repository_installation(ask: Ask) -> web.Response:
    one = ask.hub.installation_of(ask.repo.owner)
    if one is None:
        raise missing()
    return answers.one(accounts.installation(ask.hub, one))


async def create_token(ask: Ask) -> web.Response:
    one = _installation(ask)
    permissions = _narrowed(ask, one.permissions)
    chosen = _chosen(ask, one)
    token = ask.hub.issue(one, permissions, chosen, ask.request.get(TOKEN))
    answer: Json = {
        "token": token.value,
        "expires_at": stamp(token.expires_at),
        "permissions": permissions,
        "repository_selection": "all" if chosen is None else "selected",
    }
    if chosen is not None:
        kept = [ask.hub.repos[number] for number in sorted(chosen)]
        answer["repositories"] = [repositories.repository(ask.hub, repo) for repo in kept]
    return answers.one(answer, 201)


def _narrowed(ask: Ask, granted: Mapping[str, str]) -> dict[str, str]:
    asked = ask.given.get("permissions")
    if asked is None:
        return dict(granted)
    if not isinstance(asked, dict) or not all(level in _RANK for level in asked.values()):
        raise Refused(422, "Invalid request.\n\nInvalid property /permissions")
    held = {"metadata": "read", **granted}
    if any(_RANK[level] > _RANK.get(held.get(name, ""), 0) for name, level in asked.items()):
        raise Refused(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **asked}


def _chosen(ask: Ask, one: Installation) -> frozenset[int] | None:
    names, numbers = ask.given.get("repositories"), ask.given.get("repository_ids")
    if names is None and numbers is None:
        return None
    wanted = {str(name).lower() for name in names or ()} | set(numbers or ())
    here = ask.hub.installed_on(one)
    found = {repo.id for repo in here if repo.name.lower() in wanted or repo.id in wanted}
    if not wanted or len(wanted) > _MOST_REPOSITORIES or len(found) < len(wanted):
        raise Refused(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return frozenset(found)


async def revoke_token(ask: Ask) -> web.Response:
    if ask.token is None or ask.token.installation is None:
        raise Refused(401, "Requires authentication")
    ask.hub.tokens.pop(ask.token.value, None)
    return answers.nothing()


async def list_repositories(ask: Ask) -> web.Response:
    token = ask.token
    if token is None or token.installation is None:
        raise Refused(403, "Resource not accessible by integration")
    rows = ask.hub.installed_on(token.installation)
    mine = [repo for repo in rows if token.repositories is None or repo.id in token.repositories]
    return answers.many(ask, mine, lambda repo: repositories.repository(ask.hub, repo), "repositories")


async def list_deliveries(ask: Ask) -> web.Response:
    """Newest first, turned by cursor."""
    rows = sorted(ask.acts.hooks.deliveries.values(), key=lambda one: -one.id)
    rows = [one for one in rows if one.status != "pending"]
    if ask.query("status") in ("success", "failure"):
        rows = [one for one in rows if (one.status == "OK") == (ask.query("status") == "success")]
    cursor = ask.query("cursor").removeprefix("v1_")
    if cursor:
        if not cursor.isdigit():
            raise Refused(422, "Invalid cursor")
        rows = [one for one in rows if one.id < int(cursor)]
    size = answers.page_size(ask)
    response = answers.one([one.as_json() for one in rows[:size]])
    if len(rows) > size:
        response.headers["Link"] = answers.link(ask, "next", cursor=f"v1_{rows[size - 1].id}")
    return response


async def get_delivery(ask: Ask) -> web.Response:
    one = ask.acts.hooks.deliveries.get(ask.number("delivery_id"))
    if one is None:
        raise missing()
    return answers.one(one.as_json(whole=True))


async def redeliver(ask: Ask) -> web.Response:
    try:
        ask.acts.hooks.redeliver(ask.number("delivery_id"))
    except KeyError:
        raise missing() from None
    return answers.one({}, 202)


async def get_rate_limit(ask: Ask) -> web.Response:
    now = ask.hub.now()
    used = ask.token.used if ask.token else 0
    core = {"limit": 5000, "remaining": max(0, 5000 - used), "reset": int(now) + 3600, "used": used}
    return answers.one({"resources": {"core": core, "search": core}, "rate": core})


async def get_meta(ask: Ask) -> web.Response:
    return answers.one({"verifiable_password_authentication": False, "hooks": ["127.0.0.0/8"], "git": ["127.0.0.0/8"]})


async def get_user(ask: Ask) -> web.Response:
    user = ask.hub.users.get(ask.path("username").lower())
    if user is None:
        raise missing()
    zero = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    text = dict.fromkeys(("company", "blog", "location", "email", "hireable", "bio"), None)
    dates = dict.fromkeys(("created_at", "updated_at"), stamp(ask.hub.started_at))
    return answers.one(accounts.user(ask.hub, user) | zero | text | dates | {"name": user.name or None})


async def get_team_membership(ask: Ask) -> web.Response:
    team, user = f"{ask.path('org')}/{ask.path('slug')}".lower(), ask.hub.users.get(ask.path("username").lower())
    one = ask.token.installation if ask.token else None
    if one is None or one.account.login.lower() != ask.path("org").lower():
        raise missing()
    if "members" not in (ask.token.permissions if ask.token else {}):
        raise Refused(403, "Resource not accessible by integration")
    if user is None or user.id not in ask.hub.teams.get(team, ()):
        raise missing()
    url = f"{ask.hub.url}/organizations/{one.account.id}/team/1/memberships/{user.login}"
    return answers.one({"state": "active", "role": "member", "url": url})


JWT = (
    ("GET", "/app", get_app),
    ("GET", "/app/installations", list_installations),
    ("GET", "/app/installations/{installation_id}", get_installation),
    ("POST", "/app/installations/{installation_id}/access_tokens", create_token),
    ("GET", "/app/hook/deliveries", list_deliveries),
    ("GET", "/app/hook/deliveries/{delivery_id}", get_delivery),
    ("POST", "/app/hook/deliveries/{delivery_id}/attempts", redeliver),
)
OPEN = (
    ("GET", "/installation/repositories", list_repositories),
    ("DELETE", "/installation/token", revoke_token),
    ("GET", "/rate_limit", get_rate_limit),
    ("GET", "/meta", get_meta),
    ("GET", "/users/{username}", get_user),
    ("GET", "/orgs/{org}/teams/{slug}/memberships/{username}", get_team_membership),
)
REPOSITORY_JWT = (("GET", "/installation", get_repository_installation),)
