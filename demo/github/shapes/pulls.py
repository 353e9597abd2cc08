"""Pull requests, their comments, reactions and reviews."""

from __future__ import annotations

from demo.github.hub import Hub
from demo.github.records import Comment, Json, Label, Pull, Reaction, Repo, Review, node_id, stamp
from demo.github.shapes import accounts, repositories

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def label(hub: Hub, repo: Repo, one: Label) -> Json:
    return {
        "id": one.id,
        "node_id": node_id("Label", one.id),
        "url": f"{repositories.api(hub, repo)}/labels/{one.name}",
        "name": one.name,
        "color": one.color,
        "default": False,
        "description": "",
    }


def _labels(hub: Hub, pull: Pull) -> list[Json]:
    return [label(hub, pull.repo, pull.repo.labels[name.lower()]) for name in pull.labels]


def _end(hub: Hub, repo: Repo, ref: str, sha: str) -> Json:
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": accounts.user(hub, repo.owner),
        "repo": repositories.repository(hub, repo),
    }


def _paths(hub: Hub, pull: Pull) -> dict[str, str]:
    repo = repositories.api(hub, pull.repo)
    me, issue = f"{repo}/pulls/{pull.number}", f"{repo}/issues/{pull.number}"
    return {
        "self": me,
        "html": f"{repositories.html(hub, pull.repo)}/pull/{pull.number}",
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{me}/comments",
        "review_comment": f"{repo}/pulls/comments{{/number}}",
        "commits": f"{me}/commits",
        "statuses": f"{repo}/statuses/{pull.head_sha}",
    }


def simple(hub: Hub, pull: Pull) -> Json:
    """As lists show it."""
    at = _paths(hub, pull)
    return {
        "url": at["self"],
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": at["html"],
        "diff_url": f"{at['html']}.diff",
        "patch_url": f"{at['html']}.patch",
        "issue_url": at["issue"],
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": accounts.user(hub, pull.user),
        "body": pull.body or None,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": stamp(pull.closed_at) if pull.closed_at else None,
        "merged_at": stamp(pull.merged_at) if pull.merged_at else None,
        "merge_commit_sha": pull.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": _labels(hub, pull),
        "milestone": None,
        "draft": pull.draft,
        **{
            f"{name}_url": at[name] for name in ("commits", "review_comments", "review_comment", "comments", "statuses")
        },
        "head": _end(hub, pull.head_repo, pull.head_ref, pull.head_sha),
        "base": _end(hub, pull.repo, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": link} for name, link in at.items()},
        "author_association": hub.association(pull.repo, pull.user),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def full(hub: Hub, pull: Pull, mergeable: bool | None = None) -> Json:
    """As `GET .../pulls/{number}` and webhooks show it.  Webhooks are sent before GitHub knows `mergeable`."""
    comments = sum(comment.number == pull.number for comment in pull.repo.comments.values())
    state = "unknown" if mergeable is None else "clean" if mergeable else "dirty"
    return simple(hub, pull) | {
        "merged": pull.merged,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": "draft" if mergeable and pull.draft else state,
        "merged_by": accounts.user(hub, pull.merged_by) if pull.merged_by else None,
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": pull.size.commits,
        "additions": pull.size.additions,
        "deletions": pull.size.deletions,
        "changed_files": pull.size.files,
    }


def minimal(hub: Hub, pull: Pull) -> Json:
    """As checks name it."""

    def end(repo: Repo, ref: str, sha: str) -> Json:
        return {
            "ref": ref,
            "sha": sha,
            "repo": {"id": repo.id, "url": repositories.api(hub, repo), "name": repo.name},
        }

    return {
        "url": _paths(hub, pull)["self"],
        "id": pull.id,
        "number": pull.number,
        "head": end(pull.head_repo, pull.head_ref, pull.head_sha),
        "base": end(pull.repo, pull.base_ref, pull.base_sha),
    }


def summary(reactions: list[Reaction], url: str) -> Json:
    counts = {name: sum(one.content == name for one in reactions) for name in REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(reactions), **counts}


def issue(hub: Hub, pull: Pull) -> Json:
    """A pull request as the issue it also is."""
    at = _paths(hub, pull)
    merged = stamp(pull.merged_at) if pull.merged_at else None
    return {
        "url": at["issue"],
        "repository_url": repositories.api(hub, pull.repo),
        "labels_url": f"{at['issue']}/labels{{/name}}",
        "comments_url": at["comments"],
        "events_url": f"{at['issue']}/events",
        "html_url": at["html"],
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "title": pull.title,
        "user": accounts.user(hub, pull.user),
        "labels": _labels(hub, pull),
        "state": pull.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": sum(comment.number == pull.number for comment in pull.repo.comments.values()),
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": stamp(pull.closed_at) if pull.closed_at else None,
        "author_association": hub.association(pull.repo, pull.user),
        "active_lock_reason": None,
        "draft": pull.draft,
        "pull_request": {
            "url": at["self"],
            "html_url": at["html"],
            "diff_url": f"{at['html']}.diff",
            "patch_url": f"{at['html']}.patch",
            "merged_at": merged,
        },
        "body": pull.body or None,
        "reactions": summary(pull.reactions, at["issue"]),
        "timeline_url": f"{at['issue']}/timeline",
        "performed_via_github_app": accounts.app(hub) | {"id": pull.via_app} if pull.via_app else None,
        "state_reason": None,
    }


def comment(hub: Hub, repo: Repo, one: Comment) -> Json:
    me = f"{repositories.api(hub, repo)}/issues/comments/{one.id}"
    return {
        "url": me,
        "html_url": f"{repositories.html(hub, repo)}/pull/{one.number}#issuecomment-{one.id}",
        "issue_url": f"{repositories.api(hub, repo)}/issues/{one.number}",
        "id": one.id,
        "node_id": node_id("IssueComment", one.id),
        "user": accounts.user(hub, one.user),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "author_association": hub.association(repo, one.user),
        "body": one.body,
        "reactions": summary(one.reactions, me),
        "performed_via_github_app": accounts.app(hub) if one.by_app else None,
    }


def reaction(hub: Hub, one: Reaction) -> Json:
    return {
        "id": one.id,
        "node_id": node_id("Reaction", one.id),
        "user": accounts.user(hub, one.user),
        "content": one.content,
        "created_at": stamp(one.at),
    }


def review(hub: Hub, pull: Pull, one: Review) -> Json:
    at = _paths(hub, pull)
    page = f"{at['html']}#pullrequestreview-{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("PullRequestReview", one.id),
        "user": accounts.user(hub, one.user),
        "body": one.body,
        "state": one.state,
        "html_url": page,
        "pull_request_url": at["self"],
        "author_association": hub.association(pull.repo, one.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": at["self"]}},
        "submitted_at": stamp(one.at),
        "commit_id": one.commit,
    }
