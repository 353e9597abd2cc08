"""Repositories and what lies in git."""

from __future__ import annotations

from demo.github.git import Change, Commit, Ident
from demo.github.hub import Hub
from demo.github.records import Json, Repo, node_id, stamp
from demo.github.shapes import accounts

_LINKS = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}


def api(hub: Hub, repo: Repo) -> str:
    return f"{hub.url}/repos/{repo.full_name}"


def html(hub: Hub, repo: Repo) -> str:
    return f"{hub.url}/{repo.full_name}"


def brief(repo: Repo) -> Json:
    """How installation events name a repository."""
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
    }


def repository(hub: Hub, repo: Repo) -> Json:
    """As webhooks and pull requests show it."""
    me, page = api(hub, repo), html(hub, repo)
    still_open = sum(pull.state == "open" for pull in repo.pulls.values())
    forks = sum(other.parent is repo for other in hub.repos.values())
    return {
        **brief(repo),
        "owner": accounts.user(hub, repo.owner),
        "html_url": page,
        "description": None,
        "fork": repo.parent is not None,
        "url": me,
        **{name: f"{me}/{path}" for name, path in _LINKS.items()},
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.updated_at),
        "pushed_at": stamp(repo.pushed_at),
        "git_url": f"git://{page.split('://')[1]}.git",
        "ssh_url": f"git@localhost:{repo.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
        **dict.fromkeys(("has_pages", "has_discussions", "disabled", "is_template"), False),
        "forks_count": forks,
        "archived": repo.archived,
        "open_issues_count": still_open,
        "license": None,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if repo.private else "public",
        "forks": forks,
        "open_issues": still_open,
        "watchers": 0,
        "default_branch": repo.default_branch,
    }


def full_repository(hub: Hub, repo: Repo) -> Json:
    """As `GET /repos/{owner}/{repo}` shows it."""
    shape = repository(hub, repo) | {"network_count": 0, "subscribers_count": 0}
    if repo.owner.type == "Organization":
        shape["organization"] = accounts.user(hub, repo.owner)
    if repo.parent:
        shape["parent"] = shape["source"] = repository(hub, repo.parent)
    return shape


def pushed_repository(hub: Hub, repo: Repo) -> Json:
    """As `push` shows it: with other types of date and owner than everywhere else."""
    shape = repository(hub, repo)
    shape["owner"] |= {"name": repo.owner.login, "email": repo.owner.email}
    return shape | {
        "created_at": int(repo.created_at),
        "pushed_at": int(repo.pushed_at),
        "stargazers": 0,
        "master_branch": repo.default_branch,
    }


def _ident(one: Ident) -> Json:
    return {"name": one.name, "email": one.email, "date": one.date}


def git_commit(hub: Hub, repo: Repo, commit: Commit) -> Json:
    """The inner `commit`: git's own words."""
    return {
        "author": _ident(commit.author),
        "committer": _ident(commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": f"{api(hub, repo)}/git/trees/{commit.tree}"},
        "url": f"{api(hub, repo)}/git/commits/{commit.sha}",
        "comment_count": 0,
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def commit(hub: Hub, repo: Repo, one: Commit) -> Json:
    me, page = f"{api(hub, repo)}/commits/{one.sha}", f"{html(hub, repo)}/commit/"
    author, committer = hub.by_email(one.author.email), hub.by_email(one.committer.email)
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", repo.id),
        "commit": git_commit(hub, repo, one),
        "url": me,
        "html_url": page + one.sha,
        "comments_url": f"{me}/comments",
        "author": accounts.user(hub, author) if author else None,
        "committer": accounts.user(hub, committer) if committer else None,
        "parents": [
            {"sha": sha, "url": f"{api(hub, repo)}/commits/{sha}", "html_url": page + sha} for sha in one.parents
        ],
    }


def _pusher(hub: Hub, one: Ident) -> Json:
    known = hub.by_email(one.email)
    who: Json = {"name": one.name, "email": one.email, "date": one.date}
    return who | {"username": known.login} if known else who


def pushed_commit(hub: Hub, repo: Repo, one: Commit, changes: list[Change]) -> Json:
    """As `push` lists it."""
    return {
        "id": one.sha,
        "tree_id": one.tree,
        "distinct": True,
        "message": one.message,
        "timestamp": one.committer.date,
        "url": f"{html(hub, repo)}/commit/{one.sha}",
        "author": _pusher(hub, one.author),
        "committer": _pusher(hub, one.committer),
        "added": [change.path for change in changes if change.status in ("added", "copied")],
        "removed": [change.path for change in changes if change.status == "removed"],
        "modified": [change.path for change in changes if change.status not in ("added", "copied", "removed")],
    }


def changed_file(hub: Hub, repo: Repo, sha: str, change: Change) -> Json:
    shape: Json = {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{html(hub, repo)}/blob/{sha}/{change.path}",
        "raw_url": f"{html(hub, repo)}/raw/{sha}/{change.path}",
        "contents_url": f"{api(hub, repo)}/contents/{change.path}?ref={sha}",
    }
    if change.patch:
        shape["patch"] = change.patch
    if change.previous:
        shape["previous_filename"] = change.previous
    return shape
