"""Repositories: their branches, commits, files and people."""

from __future__ import annotations

import base64

from aiohttp import web

from demo.github.git import Entry
from demo.github.records import Required, Role, node_id
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Refused, missing
from demo.github.shapes import accounts, pulls, repositories

_COARSE = {"admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read", "none": "none"}
_INLINE = 1024 * 1024  # bytes of a file that the JSON form carries
_DIRECTORY = 1000


async def get_repository(ask: Ask) -> web.Response:
    return answers.one(repositories.full_repository(ask.hub, ask.repo))


async def get_permission(ask: Ask) -> web.Response:
    user = ask.hub.users.get(ask.path("username").lower())
    if user is None:
        raise missing()
    role: Role = ask.repo.role(user.login)
    levels = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    may = {name: ask.repo.may(user.login, least) for name, least in levels.items()}  # type: ignore[arg-type]
    person = accounts.user(ask.hub, user) | {"permissions": may, "role_name": role}
    return answers.one({"permission": _COARSE[role], "role_name": role, "user": person})


async def list_branches(ask: Ask) -> web.Response:
    refs = await ask.repo.git.refs()
    rows = [(name.removeprefix("refs/heads/"), sha) for name, sha in refs.items() if name.startswith("refs/heads/")]
    me = repositories.api(ask.hub, ask.repo)
    return answers.many(
        ask,
        rows,
        lambda row: {
            "name": row[0],
            "commit": {"sha": row[1], "url": f"{me}/commits/{row[1]}"},
            "protected": False,
        },
    )


async def get_branch(ask: Ask) -> web.Response:
    name = ask.path("branch")
    sha = await ask.repo.git.resolve(f"heads/{name}")
    if sha is None:
        raise Refused(404, "Branch not found")
    me = f"{repositories.api(ask.hub, ask.repo)}/branches/{name}"
    page = f"{repositories.html(ask.hub, ask.repo)}/tree/{name}"
    return answers.one(
        {
            "name": name,
            "commit": repositories.commit(ask.hub, ask.repo, await ask.repo.git.commit(sha)),
            "_links": {"self": me, "html": page},
            "protected": name == ask.repo.default_branch and bool(ask.repo.required),
            "protection": _protection(ask, name),
            "protection_url": f"{me}/protection",
        }
    )


def _protection(ask: Ask, branch: str) -> dict[str, object]:
    """The older kind; who may not administer sees no more of it."""
    checks = [one for one in ask.repo.required if one.classic and branch == ask.repo.default_branch]
    said = {
        "enforcement_level": "non_admins" if checks else "off",
        "contexts": [one.name for one in checks],
        "checks": [{"context": one.name, "app_id": one.app} for one in checks],
    }
    return {"enabled": bool(checks), "required_status_checks": said}


async def list_rules(ask: Ask) -> web.Response:
    """Each required check is a ruleset of its own here."""
    here = ask.path("branch") == ask.repo.default_branch
    rules = [one for one in ask.repo.required if here and not one.classic]
    return answers.many(ask, list(enumerate(rules, 1)), lambda row: _rule(ask.repo.full_name, *row))


def _rule(repo: str, ruleset: int, required: Required) -> dict[str, object]:
    check: dict[str, object] = {"context": required.name}
    if required.app is not None:
        check["integration_id"] = required.app
    return {
        "type": "required_status_checks",
        "ruleset_source_type": "Repository",
        "ruleset_source": repo,
        "ruleset_id": ruleset,
        "parameters": {
            "strict_required_status_checks_policy": False,
            "do_not_enforce_on_create": False,
            "required_status_checks": [check],
        },
    }


async def list_commits(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.query("sha") or ask.repo.default_branch)
    rows = await ask.repo.git.log(sha)
    return answers.many(ask, rows, lambda one: repositories.commit(ask.hub, ask.repo, one))


async def get_commit(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.path("ref"))
    if "vnd.github.sha" in ask.request.headers.get("Accept", ""):
        return web.Response(text=sha, content_type="application/vnd.github.sha")
    one = await ask.repo.git.commit(sha)
    files = await ask.repo.git.changes(one.parents[0] if one.parents else None, sha)
    added, removed = sum(file.additions for file in files), sum(file.deletions for file in files)
    shape = repositories.commit(ask.hub, ask.repo, one)
    shape["stats"] = {"total": added + removed, "additions": added, "deletions": removed}
    shape["files"] = [repositories.changed_file(ask.hub, ask.repo, sha, file) for file in files[:300]]
    return answers.one(shape)


async def list_commit_pulls(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.path("ref"))
    rows = []
    for pull in ask.repo.pulls.values():
        if sha in (pull.head_sha, pull.merge_sha) or await ask.repo.git.merge_base(sha, pull.head_sha) == sha:
            mine = await ask.repo.git.merge_base(sha, pull.base_sha) != sha or sha == pull.merge_sha
            rows += [pull] if mine else []
    return answers.many(ask, rows, lambda pull: pulls.simple(ask.hub, pull))


async def get_ref(ask: Ask) -> web.Response:
    name = f"refs/{ask.path('ref')}"
    sha = await ask.repo.git.resolve(ask.path("ref")) if name.count("/") > 1 else None
    if sha is None:
        raise missing()
    me = repositories.api(ask.hub, ask.repo)
    target = {"sha": sha, "type": "commit", "url": f"{me}/git/commits/{sha}"}
    shape = {"ref": name, "node_id": node_id("Ref", ask.repo.id), "url": f"{me}/git/{name}", "object": target}
    return answers.one(shape)


async def get_git_commit(ask: Ask) -> web.Response:
    one = await ask.repo.git.commit(await ask.commit(ask.path("ref")))
    me, page = repositories.api(ask.hub, ask.repo), repositories.html(ask.hub, ask.repo)
    parents = [
        {"sha": sha, "url": f"{me}/git/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in one.parents
    ]
    shape = repositories.git_commit(ask.hub, ask.repo, one)
    del shape["comment_count"]
    more = {"sha": one.sha, "node_id": node_id("Commit", ask.repo.id), "html_url": f"{page}/commit/{one.sha}"}
    return answers.one(shape | more | {"parents": parents})


async def get_contents(ask: Ask) -> web.Response:
    path, rev = ask.request.match_info.get("path", "").strip("/"), ask.query("ref") or ask.repo.default_branch
    sha = await ask.repo.git.resolve(rev)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {rev}")
    entry = await ask.repo.git.entry(sha, path) if path else None
    if path and (entry is None or ".." in path.split("/")):
        raise missing()
    if entry is None or entry.type == "tree":
        rows = (await ask.repo.git.children(sha, path))[:_DIRECTORY]
        listed = [_file(ask, row, rev) for row in rows]
        if entry is None or "object" not in ask.request.headers.get("Accept", ""):
            return answers.one(listed)
        return answers.one(_file(ask, entry, rev) | {"entries": listed})
    if entry.type == "commit":
        return answers.one(_file(ask, entry, rev) | {"submodule_git_url": None})
    content = await ask.repo.git.blob(entry.sha)
    if "raw" in ask.request.headers.get("Accept", ""):
        return web.Response(body=content, content_type="application/vnd.github.raw+json", charset="utf-8")
    small = len(content) <= _INLINE
    text = base64.encodebytes(content).decode() if small else ""
    return answers.one(_file(ask, entry, rev) | {"content": text, "encoding": "base64" if small else "none"})


def _file(ask: Ask, entry: Entry, rev: str) -> dict[str, object]:
    me, page = repositories.api(ask.hub, ask.repo), repositories.html(ask.hub, ask.repo)
    kind = {"blob": "file", "tree": "dir", "commit": "submodule"}[entry.type]
    url = f"{me}/contents/{entry.path}?ref={rev}"
    tree = "trees" if kind == "dir" else "blobs"
    git, html = f"{me}/git/{tree}/{entry.sha}", f"{page}/blob/{rev}/{entry.path}"
    return {
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": url,
        "html_url": html,
        "git_url": git,
        "download_url": f"{page}/raw/{rev}/{entry.path}" if kind == "file" else None,
        "type": "symlink" if entry.mode == "120000" else kind,
        "_links": {"self": url, "git": git, "html": html},
    }


async def compare(ask: Ask) -> web.Response:
    base, dots, head = ask.path("basehead").partition("...")
    if not dots:
        raise missing()
    git = ask.repo.git
    old, new = await git.resolve(base), await git.resolve(head)
    fork_point = await git.merge_base(old, new) if old and new else None
    if old is None or new is None or fork_point is None:
        raise missing()
    ahead, behind = await git.log(new, f"^{old}"), await git.count(old, f"^{new}")
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    page, me = repositories.html(ask.hub, ask.repo), repositories.api(ask.hub, ask.repo)
    files = await git.changes(fork_point, new)
    return answers.one(
        {
            "url": f"{me}/compare/{base}...{head}",
            "html_url": f"{page}/compare/{base}...{head}",
            "permalink_url": f"{page}/compare/{old}...{new}",
            "diff_url": f"{page}/compare/{base}...{head}.diff",
            "patch_url": f"{page}/compare/{base}...{head}.patch",
            "base_commit": repositories.commit(ask.hub, ask.repo, await git.commit(old)),
            "merge_base_commit": repositories.commit(ask.hub, ask.repo, await git.commit(fork_point)),
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": behind,
            "total_commits": len(ahead),
            "commits": [repositories.commit(ask.hub, ask.repo, one) for one in ahead[::-1]],
            "files": [repositories.changed_file(ask.hub, ask.repo, new, file) for file in files[:300]],
        }
    )


ROUTES = (
    ("GET", "", get_repository, ()),
    ("GET", "/collaborators/{username}/permission", get_permission, ()),
    ("GET", "/branches", list_branches, ("contents:read",)),
    ("GET", "/branches/{branch:.+}", get_branch, ("contents:read",)),
    ("GET", "/rules/branches/{branch:.+}", list_rules, ()),
    ("GET", "/commits", list_commits, ("contents:read",)),
    ("GET", "/commits/{ref:.+}/pulls", list_commit_pulls, ("pull_requests:read", "contents:read")),
    ("GET", "/git/ref/{ref:.+}", get_ref, ("contents:read",)),
    ("GET", "/git/commits/{ref}", get_git_commit, ("contents:read",)),
    ("GET", "/contents", get_contents, ("contents:read",)),
    ("GET", "/contents/{path:.*}", get_contents, ("contents:read",)),
    ("GET", "/compare/{basehead:.+}", compare, ("contents:read",)),
)
LAST = (("GET", "/commits/{ref:.+}", get_commit, ("contents:read",)),)
