"""Check suites and runs, commit statuses, deployments."""

from __future__ import annotations

from demo.github.hub import Hub
from demo.github.records import Check, CommitStatus, Deployment, DeploymentStatus, Json, Repo, Suite, node_id, stamp
from demo.github.shapes import accounts, pulls, repositories

_WORST = ("failure", "timed_out", "action_required", "cancelled", "stale", "success", "neutral", "skipped")


def _pulls(hub: Hub, repo: Repo, sha: str) -> list[Json]:
    """Checks see only branches of the repository itself: a fork's pull request is not named."""
    here = (pull for pull in repo.pulls.values() if pull.state == "open" and pull.head_repo is repo)
    return [pulls.minimal(hub, pull) for pull in here if pull.head_sha == sha]


def check(hub: Hub, repo: Repo, one: Check, *, nested: bool = False) -> Json:
    """A check run.  `nested`: as webhooks show it, with the whole suite inside."""
    me = f"{repositories.api(hub, repo)}/check-runs/{one.id}"
    inner = _nested_suite(hub, repo, one.suite) if nested else {"id": one.suite.id}
    page = f"{repositories.html(hub, repo)}/runs/{one.id}"
    return {
        "id": one.id,
        "name": one.name,
        "node_id": node_id("CheckRun", one.id),
        "head_sha": one.suite.sha,
        "external_id": one.external_id,
        "url": me,
        "html_url": page,
        "details_url": one.details_url or page,
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": one.started_at,
        "completed_at": one.completed_at,
        "output": {
            "title": one.title,
            "summary": one.summary,
            "text": one.text,
            "annotations_count": len(one.annotations),
            "annotations_url": f"{me}/annotations",
        },
        "check_suite": inner,
        "app": accounts.app(hub),
        "pull_requests": _pulls(hub, repo, one.suite.sha),
    }


def state(repo: Repo, suite: Suite) -> tuple[str, str | None]:
    """Status and conclusion of a suite, from its newest run of each name."""
    newest = {one.name: one for one in repo.checks.values() if one.suite is suite}
    if not newest or suite.reset:
        return "queued", None
    if any(one.status != "completed" for one in newest.values()):
        return "in_progress", None
    return "completed", min((one.conclusion or "neutral" for one in newest.values()), key=_WORST.index)


def _nested_suite(hub: Hub, repo: Repo, one: Suite) -> Json:
    status, conclusion = state(repo, one)
    return {
        "id": one.id,
        "node_id": node_id("CheckSuite", one.id),
        "head_branch": one.branch,
        "head_sha": one.sha,
        "status": status,
        "conclusion": conclusion,
        "url": f"{repositories.api(hub, repo)}/check-suites/{one.id}",
        "before": one.before,
        "after": one.sha,
        "pull_requests": _pulls(hub, repo, one.sha),
        "app": accounts.app(hub),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
    }


def suite(hub: Hub, repo: Repo, one: Suite) -> Json:
    """As the API and `check_suite` webhooks show it."""
    commit = one.commit
    return _nested_suite(hub, repo, one) | {
        "latest_check_runs_count": sum(run.suite is one for run in repo.checks.values()),
        "check_runs_url": f"{repositories.api(hub, repo)}/check-suites/{one.id}/check-runs",
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "author": {"name": commit.author.name, "email": commit.author.email},
            "committer": {"name": commit.committer.name, "email": commit.committer.email},
        },
        "repository": repositories.repository(hub, repo),
    }


def status(hub: Hub, repo: Repo, one: CommitStatus) -> Json:
    return {
        "url": f"{repositories.api(hub, repo)}/statuses/{one.sha}",
        "avatar_url": f"{hub.url}/avatars/{one.creator.id}",
        "id": one.id,
        "node_id": node_id("StatusContext", one.id),
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
        "creator": accounts.user(hub, one.creator),
    }


def deployment(hub: Hub, repo: Repo, one: Deployment) -> Json:
    me = f"{repositories.api(hub, repo)}/deployments/{one.id}"
    return {
        "url": me,
        "id": one.id,
        "node_id": node_id("Deployment", one.id),
        "task": one.task,
        "original_environment": one.environment,
        "environment": one.environment,
        "description": one.description,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "statuses_url": f"{me}/statuses",
        "repository_url": repositories.api(hub, repo),
        "creator": accounts.user(hub, one.creator),
        "sha": one.sha,
        "ref": one.ref,
        "payload": one.payload,
        "transient_environment": one.transient,
        "production_environment": one.production,
        "performed_via_github_app": accounts.app(hub) if one.creator is hub.bot else None,
    }


def deployment_status(hub: Hub, repo: Repo, of: Deployment, one: DeploymentStatus) -> Json:
    parent = f"{repositories.api(hub, repo)}/deployments/{of.id}"
    return {
        "url": f"{parent}/statuses/{one.id}",
        "id": one.id,
        "node_id": node_id("DeploymentStatus", one.id),
        "state": one.state,
        "creator": accounts.user(hub, one.creator),
        "description": one.description,
        "environment": one.environment,
        "target_url": one.log_url,
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
        "deployment_url": parent,
        "repository_url": repositories.api(hub, repo),
        "environment_url": one.environment_url,
        "log_url": one.log_url,
        "performed_via_github_app": accounts.app(hub) if one.creator is hub.bot else None,
    }
