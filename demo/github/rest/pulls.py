"""Pull requests, their comments, reactions, reviews and labels."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from demo.github.actions.pulls import Method, NotMergeable
from demo.github.hub import Missing
from demo.github.records import Comment, Pull, Reaction
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Refused, missing
from demo.github.shapes import pulls, repositories

COMMENT = 65_536  # characters
_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
_TALK = ("issues:write", "pull_requests:write")
_HEAR = ("issues:read", "pull_requests:read")


async def list_pulls(ask: Ask) -> web.Response:
    state, head, base = ask.query("state", "open"), ask.query("head"), ask.query("base")
    rows = [pull for pull in ask.repo.pulls.values() if state in ("all", pull.state)]
    if head:
        owner, _, ref = head.rpartition(":")
        rows = [one for one in rows if one.head_ref == ref and owner in ("", one.head_repo.owner.login)]
    if base:
        rows = [one for one in rows if one.base_ref == base]
    keys: dict[str, Callable[[Pull], float]] = {"updated": lambda one: one.updated_at}
    key = keys.get(ask.query("sort"), lambda one: one.number)
    rows.sort(key=key, reverse=ask.query("direction", "desc") == "desc")
    return answers.many(ask, rows, lambda one: pulls.simple(ask.hub, one))


async def get_pull(ask: Ask) -> web.Response:
    pull = ask.pull()
    mergeable = await ask.acts.mergeable(pull) if pull.state == "open" else None
    return answers.one(pulls.full(ask.hub, pull, mergeable))


async def create_pull(ask: Ask) -> web.Response:
    fields = ask.fields("PullRequest")
    title, head, base = (fields.text(name, required=True) for name in ("title", "head", "base"))
    body, draft = fields.text("body", limit=COMMENT), fields.flag("draft", False)
    fields.done()
    owner, _, ref = head.rpartition(":")
    here, source = ask.repo.full_name, ask.repo.full_name
    if owner and owner.lower() != ask.repo.owner.login.lower():
        forks = [repo for repo in ask.hub.repos.values() if repo.parent is ask.repo]
        source = next((fork.full_name for fork in forks if fork.owner.login.lower() == owner.lower()), "")
    try:
        fork_of = here if source != here else None
        number = await ask.acts.open_pull(source, ref, base, title, body, ask.sender.login, draft, fork_of)
    except Missing:
        fields.wrong("head", "invalid")
        fields.done()
    return answers.one(pulls.full(ask.hub, ask.repo.pulls[number]), 201)


async def update_pull(ask: Ask) -> web.Response:
    pull, who = ask.pull(), ask.sender.login
    fields = ask.fields("PullRequest")
    state = fields.choice("state", ("open", "closed"))
    title, base = fields.text("title", default=pull.title), fields.text("base", default=pull.base_ref)
    fields.done()
    here = (ask.repo.full_name, pull.number)
    try:
        if title != pull.title:
            await ask.acts.edit_title(*here, title, who)
        if base != pull.base_ref:
            await ask.acts.edit_base(*here, base, who)
        if state == "closed":
            await ask.acts.close_pull(*here, who)
        elif state == "open" and pull.state == "closed":
            await ask.acts.reopen(*here, who)
    except (Missing, NotMergeable) as error:
        raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "code": "invalid"}]) from error
    return answers.one(pulls.full(ask.hub, pull))


async def list_pull_commits(ask: Ask) -> web.Response:
    pull = ask.pull()
    rows = await pull.repo.git.log(pull.head_sha, f"^{pull.base_sha}")
    return answers.many(ask, rows[::-1], lambda one: repositories.commit(ask.hub, ask.repo, one))


async def list_files(ask: Ask) -> web.Response:
    pull = ask.pull()
    fork_point = await pull.repo.git.merge_base(pull.base_sha, pull.head_sha)
    rows = (await pull.repo.git.changes(fork_point, pull.head_sha))[:3000]
    return answers.many(ask, rows, lambda one: repositories.changed_file(ask.hub, ask.repo, pull.head_sha, one))


async def is_merged(ask: Ask) -> web.Response:
    if not ask.pull().merged:
        raise missing()
    return answers.nothing()


async def merge(ask: Ask) -> web.Response:
    pull = ask.pull()
    fields = ask.fields("PullRequest")
    method = fields.choice("merge_method", ("merge", "squash", "rebase")) or "merge"
    sha, title = fields.text("sha"), fields.maybe("commit_title")
    fields.done()
    if sha and sha != pull.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if method == "rebase":
        raise Refused(405, "Rebase merges are not allowed on this repository.")
    way: Method = "squash" if method == "squash" else "merge"
    try:
        new = await ask.acts.merge_pull(ask.repo.full_name, pull.number, ask.sender.login, way, title)
    except NotMergeable:
        raise Refused(405, "Pull Request is not mergeable") from None
    return answers.one({"sha": new, "merged": True, "message": "Pull Request successfully merged"})


async def list_reviews(ask: Ask) -> web.Response:
    pull = ask.pull()
    return answers.many(ask, pull.reviews, lambda one: pulls.review(ask.hub, pull, one))


async def create_review(ask: Ask) -> web.Response:
    pull = ask.pull()
    fields = ask.fields("PullRequestReview")
    event = fields.choice("event", tuple(_EVENTS))
    body = fields.text("body", limit=COMMENT, required=event in ("REQUEST_CHANGES", "COMMENT"))
    fields.done()
    if event == "APPROVE" and ask.sender is pull.user:
        raise Refused(422, "Unprocessable Entity", [{"message": "Can not approve your own pull request"}])
    state = _EVENTS.get(event or "COMMENT", "COMMENTED")
    one = ask.acts.write_review(pull, ask.sender, state, body, ask.new_id("review"))
    return answers.one(pulls.review(ask.hub, pull, one))


# -- comments: a pull request is an issue, too


async def get_issue(ask: Ask) -> web.Response:
    return answers.one(pulls.issue(ask.hub, ask.pull()))


async def list_comments(ask: Ask) -> web.Response:
    number = ask.pull().number
    rows = [one for one in ask.repo.comments.values() if one.number == number]
    since = ask.query("since")
    shapes = [pulls.comment(ask.hub, ask.repo, one) for one in rows]
    return answers.many(ask, [one for one in shapes if one["updated_at"] >= since], lambda shape: shape)


def _comment(ask: Ask) -> Comment:
    one = ask.repo.comments.get(ask.number("comment_id"))
    if one is None:
        raise missing()
    return one


def _own(ask: Ask, one: Comment) -> None:
    if one.user is not ask.sender and not ask.repo.may(ask.sender.login, "write"):
        raise Refused(403, "Resource not accessible by integration")


def _body(ask: Ask) -> str:
    fields = ask.fields("IssueComment")
    body = fields.text("body", required=True, limit=COMMENT)
    fields.done()
    return body


async def create_comment(ask: Ask) -> web.Response:
    pull, body = ask.pull(), _body(ask)
    one = ask.acts.write_comment(pull, ask.sender, body, ask.new_id("comment"))
    return answers.one(pulls.comment(ask.hub, ask.repo, one), 201)


async def get_comment(ask: Ask) -> web.Response:
    return answers.one(pulls.comment(ask.hub, ask.repo, _comment(ask)))


async def update_comment(ask: Ask) -> web.Response:
    one = _comment(ask)
    _own(ask, one)
    ask.acts.rewrite_comment(ask.repo, one, _body(ask), ask.sender)
    return answers.one(pulls.comment(ask.hub, ask.repo, one))


async def delete_comment(ask: Ask) -> web.Response:
    one = _comment(ask)
    _own(ask, one)
    ask.acts.delete_comment(ask.repo, one, ask.sender)
    return answers.nothing()


# -- reactions and labels


def _react(ask: Ask, reactions: list[Reaction]) -> web.Response:
    fields = ask.fields("Reaction")
    content = fields.choice("content", pulls.REACTIONS, required=True)
    fields.done()
    one, new = ask.acts.react(reactions, ask.sender, content or "", ask.new_id("reaction"))
    return answers.one(pulls.reaction(ask.hub, one), 201 if new else 200)


async def list_comment_reactions(ask: Ask) -> web.Response:
    rows = [one for one in _comment(ask).reactions if ask.query("content") in ("", one.content)]
    return answers.many(ask, rows, lambda one: pulls.reaction(ask.hub, one))


async def create_comment_reaction(ask: Ask) -> web.Response:
    return _react(ask, _comment(ask).reactions)


async def delete_comment_reaction(ask: Ask) -> web.Response:
    comment, number = _comment(ask), ask.number("reaction_id")
    kept = [one for one in comment.reactions if one.id != number]
    if len(kept) == len(comment.reactions):
        raise missing()
    comment.reactions = kept
    ask.hub.touch()
    return answers.nothing()


async def create_issue_reaction(ask: Ask) -> web.Response:
    return _react(ask, ask.pull().reactions)


async def list_labels(ask: Ask) -> web.Response:
    pull = ask.pull()
    rows = [ask.repo.labels[name.lower()] for name in pull.labels]
    return answers.many(ask, rows, lambda one: pulls.label(ask.hub, ask.repo, one))


async def add_labels(ask: Ask) -> web.Response:
    names = ask.given.get("labels")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Refused(422, "Validation Failed", [{"resource": "Label", "code": "invalid", "field": "labels"}])
    for name in names:
        await ask.acts.label(ask.repo.full_name, ask.pull().number, name, ask.sender.login)
    return await list_labels(ask)


ROUTES = (
    ("GET", "/pulls", list_pulls, ("pull_requests:read", "contents:read")),
    ("POST", "/pulls", create_pull, ("pull_requests:write",)),
    ("GET", "/pulls/{number}", get_pull, ("pull_requests:read", "contents:read")),
    ("PATCH", "/pulls/{number}", update_pull, ("pull_requests:write",)),
    ("GET", "/pulls/{number}/commits", list_pull_commits, ("pull_requests:read", "contents:read")),
    ("GET", "/pulls/{number}/files", list_files, ("pull_requests:read", "contents:read")),
    ("GET", "/pulls/{number}/merge", is_merged, ("contents:read",)),
    ("PUT", "/pulls/{number}/merge", merge, ("contents:write",)),
    ("GET", "/pulls/{number}/reviews", list_reviews, ("pull_requests:read",)),
    ("POST", "/pulls/{number}/reviews", create_review, ("pull_requests:write",)),
    ("GET", "/issues/comments/{comment_id}", get_comment, _HEAR),
    ("PATCH", "/issues/comments/{comment_id}", update_comment, _TALK),
    ("DELETE", "/issues/comments/{comment_id}", delete_comment, _TALK),
    ("GET", "/issues/comments/{comment_id}/reactions", list_comment_reactions, _HEAR),
    ("POST", "/issues/comments/{comment_id}/reactions", create_comment_reaction, _TALK),
    ("DELETE", "/issues/comments/{comment_id}/reactions/{reaction_id}", delete_comment_reaction, _TALK),
    ("GET", "/issues/{number}", get_issue, ("issues:read",)),
    ("GET", "/issues/{number}/comments", list_comments, _HEAR),
    ("POST", "/issues/{number}/comments", create_comment, _TALK),
    ("POST", "/issues/{number}/reactions", create_issue_reaction, _TALK),
    ("GET", "/issues/{number}/labels", list_labels, _HEAR),
    ("POST", "/issues/{number}/labels", add_labels, _TALK),
)
