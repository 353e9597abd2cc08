"""Users, the app and its installations."""

from __future__ import annotations

from demo.github.hub import EVENTS, Hub
from demo.github.records import Installation, Json, User, node_id, stamp

_LINKS = {
    "followers_url": "followers",
    "following_url": "following{/other_user}",
    "gists_url": "gists{/gist_id}",
    "starred_url": "starred{/owner}{/repo}",
    "subscriptions_url": "subscriptions",
    "organizations_url": "orgs",
    "repos_url": "repos",
    "events_url": "events{/privacy}",
    "received_events_url": "received_events",
}


def user(hub: Hub, who: User) -> Json:
    """A person, bot or organization as GitHub shows it inside other things."""
    me = f"{hub.url}/users/{who.login}"
    return {
        "login": who.login,
        "id": who.id,
        "node_id": node_id(who.type, who.id),
        "avatar_url": f"{hub.url}/avatars/{who.id}",
        "gravatar_id": "",
        "url": me,
        "html_url": f"{hub.url}/{who.login}",
        **{name: f"{me}/{path}" for name, path in _LINKS.items()},
        "type": who.type,
        "site_admin": False,
    }


def organization(hub: Hub, who: User) -> Json:
    """The `organization` of a webhook."""
    me = f"{hub.url}/orgs/{who.login}"
    links = {f"{name}_url": f"{me}/{name}" for name in ("repos", "events", "hooks", "issues")}
    return {
        "login": who.login,
        "id": who.id,
        "node_id": node_id("Organization", who.id),
        "url": me,
        **links,
        "members_url": f"{me}/members{{/member}}",
        "public_members_url": f"{me}/public_members{{/member}}",
        "avatar_url": f"{hub.url}/avatars/{who.id}",
        "description": "",
    }


def app_id(hub: Hub) -> int:
    return int(hub.app_id) if hub.app_id.isdigit() else 1


def app(hub: Hub) -> Json:
    """The app under test, as `GET /app` and every check show it."""
    return {
        "id": app_id(hub),
        "slug": hub.slug,
        "node_id": node_id("Integration", app_id(hub)),
        "client_id": hub.client_id,
        "owner": user(hub, hub.maker),
        "name": hub.slug.capitalize(),
        "description": "The app under test on this machine",
        "external_url": hub.url,
        "html_url": f"{hub.url}/apps/{hub.slug}",
        "created_at": stamp(hub.started_at),
        "updated_at": stamp(hub.started_at),
        "permissions": dict(hub.permissions),
        "events": list(EVENTS),
    }


def installation(hub: Hub, one: Installation) -> Json:
    me = f"{hub.url}/app/installations/{one.id}"
    return {
        "id": one.id,
        "account": user(hub, one.account),
        "repository_selection": "all",
        "access_tokens_url": f"{me}/access_tokens",
        "repositories_url": f"{hub.url}/installation/repositories",
        "html_url": f"{hub.url}/settings/installations/{one.id}",
        "app_id": app_id(hub),
        "app_slug": hub.slug,
        "target_id": one.account.id,
        "target_type": one.account.type,
        "permissions": dict(one.permissions),
        "events": list(one.events),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }
