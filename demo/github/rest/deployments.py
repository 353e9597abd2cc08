"""Deployments and their statuses."""

from __future__ import annotations

from aiohttp import web

from demo.github.records import Deployment, DeploymentStatus, stamp
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Refused, missing
from demo.github.shapes import checks

_STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_DESCRIPTION = 140  # characters


async def create_deployment(ask: Ask) -> web.Response:
    fields = ask.fields("Deployment")
    ref = fields.text("ref", required=True)
    environment = fields.text("environment", default="production")
    task, description = fields.text("task", default="deploy"), fields.maybe("description")
    transient = fields.flag("transient_environment", False)
    production = fields.flag("production_environment", environment == "production")
    fields.flag("auto_merge", True)
    contexts = ask.given.get("required_contexts")
    if contexts is not None and not isinstance(contexts, list):
        fields.wrong("required_contexts", "invalid")
    fields.done()
    sha = await ask.repo.git.resolve(ref)
    if sha is None:
        raise Refused(422, f"No ref found for: {ref}")
    _check_contexts(ask, sha)
    now, payload = ask.hub.now(), ask.given.get("payload", {})
    one = Deployment(
        *(ask.new_id("deployment"), sha, ref, task, environment, payload, description),
        *(transient, production, ask.sender, now, now),
    )
    ask.repo.deployments[one.id] = one
    ask.acts.tell_of_deployment(ask.repo, one, ask.sender)
    return answers.one(checks.deployment(ask.hub, ask.repo, one), 201)


def _check_contexts(ask: Ask, sha: str) -> None:
    """GitHub wants every check green unless the caller says otherwise: `required_contexts: []`."""
    wanted = ask.given.get("required_contexts")
    if wanted == []:
        return
    newest = {one.name: one.conclusion for one in ask.repo.checks.values() if one.suite.sha == sha}
    newest |= {one.context: one.state for one in ask.repo.statuses if one.sha == sha}
    names = list(newest) if wanted is None else [str(name) for name in wanted]
    bad = [name for name in names if newest.get(name) not in ("success", "neutral", "skipped")]
    if bad:
        errors = [{"contexts": bad, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}]
        raise Refused(409, "Conflict: Commit status checks failed for the ref", errors)


def _deployment(ask: Ask) -> Deployment:
    one = ask.repo.deployments.get(ask.number("deployment_id"))
    if one is None:
        raise missing()
    return one


async def list_deployments(ask: Ask) -> web.Response:
    wanted = {name: ask.query(name) for name in ("sha", "ref", "task", "environment") if ask.query(name)}
    rows = [
        one
        for one in ask.repo.deployments.values()
        if all(getattr(one, name) == value for name, value in wanted.items())
    ]
    rows.sort(key=lambda one: one.id, reverse=True)
    return answers.many(ask, rows, lambda one: checks.deployment(ask.hub, ask.repo, one))


async def get_deployment(ask: Ask) -> web.Response:
    return answers.one(checks.deployment(ask.hub, ask.repo, _deployment(ask)))


async def delete_deployment(ask: Ask) -> web.Response:
    one = _deployment(ask)
    if one.state not in ("inactive", "pending") and len(ask.repo.deployments) > 1:
        raise Refused(422, "We cannot delete an active deployment unless it is the only deployment in a repository.")
    del ask.repo.deployments[one.id]
    ask.hub.touch()
    return answers.nothing()


async def create_status(ask: Ask) -> web.Response:
    of = _deployment(ask)
    fields = ask.fields("DeploymentStatus")
    state = fields.choice("state", _STATES, required=True)
    description = fields.text("description", limit=_DESCRIPTION)
    environment = fields.text("environment", default=of.environment)
    page = fields.text("environment_url")
    log = fields.text("log_url") or fields.text("target_url")
    for name, url in (("environment_url", page), ("log_url", log)):
        if url and not url.startswith(("http://", "https://")):
            fields.wrong(name, "custom", f"{name} must use http(s) scheme")
    auto = fields.flag("auto_inactive", True)
    fields.done()
    number = ask.new_id("deployment_status")
    one = DeploymentStatus(number, state or "", ask.sender, description, environment, page, log, ask.hub.now())
    of.statuses.append(one)
    of.updated_at = one.at
    if auto and state == "success":
        _retire(ask, of)
    ask.acts.tell_of_deployment_status(ask.repo, of, one, ask.sender)
    return answers.one(checks.deployment_status(ask.hub, ask.repo, of, one), 201)


def _retire(ask: Ask, new: Deployment) -> None:
    """Older successes of the environment become inactive; transient and production ones are left to their owner."""
    for old in ask.repo.deployments.values():
        same = old.environment == new.environment and old.id < new.id
        if same and old.state == "success" and not old.transient and not old.production:
            number, now = ask.hub.new_id("deployment_status"), ask.hub.now()
            old.statuses.append(DeploymentStatus(number, "inactive", ask.sender, "", old.environment, "", "", now))


async def list_statuses(ask: Ask) -> web.Response:
    of = _deployment(ask)
    return answers.many(ask, of.statuses[::-1], lambda one: checks.deployment_status(ask.hub, ask.repo, of, one))


async def list_environments(ask: Ask) -> web.Response:
    first: dict[str, Deployment] = {}
    for one in ask.repo.deployments.values():
        first.setdefault(one.environment, one)
    return answers.many(
        ask,
        list(first.values()),
        lambda one: {
            "id": one.id,
            "node_id": "",
            "name": one.environment,
            "url": f"{ask.hub.url}/repos/{ask.repo.full_name}/environments/{one.environment}",
            "html_url": f"{ask.hub.url}/{ask.repo.full_name}/deployments",
            "created_at": stamp(one.created_at),
            "updated_at": stamp(one.updated_at),
            "protection_rules": [],
            "deployment_branch_policy": None,
        },
        "environments",
    )


ROUTES = (
    ("POST", "/deployments", create_deployment, ("deployments:write",)),
    ("GET", "/deployments", list_deployments, ("deployments:read",)),
    ("GET", "/deployments/{deployment_id}", get_deployment, ("deployments:read",)),
    ("DELETE", "/deployments/{deployment_id}", delete_deployment, ("deployments:write",)),
    ("POST", "/deployments/{deployment_id}/statuses", create_status, ("deployments:write",)),
    ("GET", "/deployments/{deployment_id}/statuses", list_statuses, ("deployments:read",)),
    ("GET", "/environments", list_environments, ("deployments:read",)),
)
