"""GraphQL, as far as there is no other way: whether a comment came by e-mail."""

from __future__ import annotations

import re

from aiohttp import web

from demo.github.records import Comment, Json, Repo, node_id
from demo.github.rest import door
from demo.github.rest.ask import Ask, Refused

_QUESTION = re.compile(
    r"query\s*\(\$id: ID!\)\s*\{\s*node\(id: \$id\)\s*\{\s*\.\.\. on IssueComment\s*\{\s*createdViaEmail\s*\}\s*\}\s*\}"
)


async def answer(ask: Ask) -> web.Response:
    """200 in any case but for who asks: what goes wrong stands in `errors`."""
    if ask.token is None:
        raise Refused(401, "This endpoint requires you to be authenticated.")
    text, variables = ask.given.get("query"), ask.given.get("variables")
    if not isinstance(text, str) or not _QUESTION.fullmatch(text.strip()):
        return _wrong("PARSE_ERROR", "This GitHub answers one question only.", None)
    name = variables.get("id") if isinstance(variables, dict) else None
    found = _find(ask, name)
    if found is None or not door.visible(found[0], ask.token):
        return _wrong("NOT_FOUND", f"Could not resolve to a node with the global id of '{name}'", {"node": None})
    return web.json_response({"data": {"node": {"createdViaEmail": found[1].by_email}}})


def _find(ask: Ask, name: object) -> tuple[Repo, Comment] | None:
    every = ((repo, one) for repo in ask.hub.repos.values() for one in repo.comments.values())
    return next((pair for pair in every if node_id("IssueComment", pair[1].id) == name), None)


def _wrong(kind: str, message: str, data: Json | None) -> web.Response:
    answer: Json = {"errors": [{"type": kind, "message": message}]}
    return web.json_response(answer if data is None else {"data": data, **answer})
