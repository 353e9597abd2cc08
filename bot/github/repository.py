"""One repository, seen through the app's installation: each call with the least rights that do."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

from bot.errors import GitHubDown, GitHubRefused
from bot.github.advisories import GlobalAdvisories
from bot.github.api import Api, number_of
from bot.github.files import AS_OBJECT, File, file_of
from bot.github.limits import ANNOTATIONS, CHECK_TEXT, COMMENT, annotation, fit, line

CODE = {"contents": "read"}
PULLS = {"pull_requests": "read"}
COMMENTS = {"pull_requests": "write"}  # does for comments on pull requests; no right on issues is needed
METADATA = {"metadata": "read"}
ISSUES = {"issues": "read"}
MEMBERS = {"members": "read"}
CHECKS = {"checks": "write"}
CHECKS_SEEN = {"checks": "read"}
DEPLOYMENTS = {"deployments": "write"}
CODE_SCANNING = {"security_events": "write"}

PAGE = 100
BUTTONS = 3  # on one check run
COMMITS = 250  # GitHub lists no more commits of a pull request
ORIGIN = "query($id: ID!) { node(id: $id) { ... on IssueComment { createdViaEmail } } }"
UNSPOKEN = (404, 405)  # answers of a server that has no GraphQL


class Repository:
    """Numbers that methods return are GitHub's ids.

    Every method raises GitHubRefused (4xx), GitHubDown (no answer, 5xx) and TryLater (a rate limit).  After
    GitHubDown a creation may have happened all the same: ask the matching `find_*` before creating again.
    """

    def __init__(
        self,
        full_name: str,
        api: Callable[[Mapping[str, str]], Api],
        token: Callable[[Mapping[str, str]], Awaitable[str]],
        app_id: Callable[[], Awaitable[int]],
        app_login: Callable[[], Awaitable[str]],
    ) -> None:
        self.full_name = full_name
        owner, _, name = full_name.partition("/")
        self._names = {"owner": owner, "repo": name}
        self._api, self._token, self._app_id, self._app_login = api, token, app_id, app_login

    async def git_token(self) -> str:
        """A token that reads this repository's code, good for five minutes at least."""
        return await self._token(CODE)

    async def branch(self, branch: str) -> dict[str, Any]:
        """A branch: `commit`, `protected`, and what anybody may see of the older kind of `protection`."""
        return await self._api(CODE).one("/repos/{owner}/{repo}/branches/{branch}", **self._names, branch=branch)

    async def branch_head(self, branch: str) -> str:
        """The commit that a branch is at."""
        return str((await self.branch(branch))["commit"]["sha"])

    async def branch_rules(self, branch: str) -> list[dict[str, Any]]:
        """The rules of all rulesets that are in force for a branch, the organization's too."""
        url = "/repos/{owner}/{repo}/rules/branches/{branch}{?per_page}"
        rules = self._api(METADATA).all(url, **self._names, branch=branch, per_page=PAGE)
        return [rule async for rule in rules]

    async def file(self, path: str, ref: str | None = None) -> File | None:
        """A file at a commit, or on the default branch; None: there is none.

        Raises NotAFile for what is no plain file of at most a megabyte."""
        await self._token(CODE)  # first: a refusal of the token must not look like a missing file
        url = "/repos/{owner}/{repo}/contents/{+path}{?ref}"
        words = {"path": path} | ({"ref": ref} if ref else {})
        try:
            found = await self._api(CODE).one(url, accept=AS_OBJECT, **self._names, **words)
        except GitHubRefused as error:
            if error.status != 404:
                raise
            await self._token(CODE)  # it may have been replaced on the way
            return None
        return file_of(found)

    async def merge_base(self, base: str, head: str) -> str:
        """The commit that a branch and a commit grew apart from."""
        url = "/repos/{owner}/{repo}/compare/{base}...{head}{?per_page}"
        found = await self._api(CODE).one(url, **self._names, base=base, head=head, per_page=1)
        return str(found["merge_base_commit"]["sha"])

    def advisories(self) -> GlobalAdvisories:
        """What is known against packages; the same for every repository."""
        return GlobalAdvisories(self._api(METADATA))

    # ---- pull requests

    async def pull(self, number: int) -> dict[str, Any]:
        return await self._api(PULLS).one("/repos/{owner}/{repo}/pulls/{number}", **self._names, number=number)

    async def opened_via(self, number: int) -> int:
        """The id of the app through which a pull request was opened; 0: through none.  Only as an issue it says so."""
        url = "/repos/{owner}/{repo}/issues/{number}"
        issue = await self._api(ISSUES).one(url, **self._names, number=number)
        return _app_of(issue) or 0

    async def open_pulls(self) -> list[dict[str, Any]]:
        url = "/repos/{owner}/{repo}/pulls{?state,per_page}"
        pulls = self._api(PULLS).all(url, **self._names, state="open", per_page=PAGE)
        return [pull async for pull in pulls]

    async def pull_commits(self, number: int) -> list[dict[str, Any]]:
        """At most 250, oldest first."""
        url = "/repos/{owner}/{repo}/pulls/{number}/commits{?per_page}"
        commits = self._api(PULLS).all(url, **self._names, number=number, per_page=PAGE)
        return [commit async for commit in commits][:COMMITS]

    async def files(self, number: int) -> list[dict[str, Any]]:
        """What a pull request touches; at most 3000."""
        url = "/repos/{owner}/{repo}/pulls/{number}/files{?per_page}"
        files = self._api(PULLS).all(url, **self._names, number=number, per_page=PAGE)
        return [file async for file in files]

    async def reviews(self, number: int) -> list[dict[str, Any]]:
        """Every one of them, dismissed ones too, oldest first."""
        url = "/repos/{owner}/{repo}/pulls/{number}/reviews{?per_page}"
        reviews = self._api(PULLS).all(url, **self._names, number=number, per_page=PAGE)
        return [review async for review in reviews]

    # ---- people

    async def permission(self, login: str) -> dict[str, Any]:
        """What an account may do here, as GitHub knows it now.  `role_name` is exact, `permission` is not."""
        url = "/repos/{owner}/{repo}/collaborators/{login}/permission"
        return await self._api(METADATA).one(url, **self._names, login=login)

    async def in_team(self, organization: str, slug: str, login: str) -> bool:
        """Whether an account is in a team now, or in one of its children."""
        url = "/orgs/{org}/teams/{slug}/memberships/{login}"
        try:
            found = await self._api(MEMBERS).one(url, org=organization, slug=slug, login=login)
        except GitHubRefused as error:
            if error.status == 404:  # not in it, or no such team
                return False
            raise
        return found.get("state") == "active"

    async def account(self, login: str) -> dict[str, Any]:
        """The account that has this login now: `id`, `login`, `type`, ..."""
        return await self._api(METADATA).one("/users/{login}", login=login)

    # ---- check runs

    async def own_app(self) -> int:
        """The id of the app that we are."""
        return await self._app_id()

    async def check_run(self, check: int) -> dict[str, Any]:
        """One check run: `status`, `conclusion`, ..."""
        return await self._api(CHECKS_SEEN).one("/repos/{owner}/{repo}/check-runs/{id}", **self._names, id=check)

    async def check_runs(self, sha: str) -> list[dict[str, Any]]:
        """The latest of each at a commit, everybody's.  All pages or none: a page that fails raises."""
        url = "/repos/{owner}/{repo}/commits/{sha}/check-runs{?filter,per_page}"
        words: dict[str, Any] = {"filter": "latest", "per_page": PAGE}
        runs = self._api(CHECKS_SEEN).all(url, "check_runs", **self._names, sha=sha, **words)
        return [run async for run in runs]

    async def create_check(
        self,
        name: str,
        head_sha: str,
        external_id: str,
        *,
        status: str,
        conclusion: str | None = None,
        title: str,
        summary: str,
        text: str | None = None,
        details_url: str | None = None,
        annotations: Sequence[Mapping[str, Any]] = (),
        actions: Sequence[Mapping[str, str]] = (),
    ) -> int:
        """`annotations` and `actions` (buttons) in GitHub's words; above fifty annotations, more requests."""
        fields = _check(status, conclusion, details_url, title, summary, text)
        fields |= {"name": name, "head_sha": head_sha, "external_id": external_id}
        fields["output"]["annotations"] = _annotations(annotations[:ANNOTATIONS])
        fields["actions"] = [dict(one) for one in actions[:BUTTONS]]
        url = "/repos/{owner}/{repo}/check-runs"
        check = number_of(await self._api(CHECKS).make(url, fields, **self._names))
        await self._annotate(check, fields["output"], annotations[ANNOTATIONS:])
        return check

    async def update_check(
        self,
        check: int,
        *,
        status: str,
        conclusion: str | None = None,
        title: str,
        summary: str,
        text: str | None = None,
        details_url: str | None = None,
        annotations: Sequence[Mapping[str, Any]] = (),
        actions: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Annotations are added to those that are there; buttons take the place of those that are there."""
        fields = _check(status, conclusion, details_url, title, summary, text)
        fields["output"]["annotations"] = _annotations(annotations[:ANNOTATIONS])
        fields["actions"] = [dict(one) for one in actions[:BUTTONS]]
        await self._change_check(check, fields)
        await self._annotate(check, fields["output"], annotations[ANNOTATIONS:])

    async def _annotate(self, check: int, output: Mapping[str, Any], more: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(more), ANNOTATIONS):
            some = _annotations(more[start : start + ANNOTATIONS])
            await self._change_check(check, {"output": {**output, "annotations": some}})

    async def _change_check(self, check: int, fields: Mapping[str, Any]) -> None:
        await self._api(CHECKS).change("/repos/{owner}/{repo}/check-runs/{id}", fields, **self._names, id=check)

    async def find_check(self, head_sha: str, name: str, external_id: str) -> int | None:
        """The newest check run of ours under this name and external id."""
        url = "/repos/{owner}/{repo}/commits/{sha}/check-runs{?check_name,app_id,filter,per_page}"
        app = await self._app_id()
        words: dict[str, Any] = {"check_name": name, "app_id": app, "filter": "all", "per_page": PAGE}
        runs = self._api(CHECKS).all(url, "check_runs", **self._names, sha=head_sha, **words)
        ours = [
            number_of(run) async for run in runs if run.get("external_id") == external_id and _app_of(run, "app") == app
        ]
        return max(ours, default=None)

    async def upload_sarif(self, sha: str, ref: str, packed: bytes) -> None:
        """Findings at a commit for code scanning: SARIF, with gzip.  The same once more takes the place of the first.

        GitHubRefused: 403 where it is not switched on (or the app may not), 404, 413 when it is too large."""
        fields = {"commit_sha": sha, "ref": ref, "sarif": base64.b64encode(packed).decode()}
        await self._api(CODE_SCANNING).make("/repos/{owner}/{repo}/code-scanning/sarifs", fields, **self._names)

    # ---- deployments

    async def create_deployment(
        self, sha: str, environment: str, description: str, payload: Mapping[str, Any], transient: bool
    ) -> int:
        """`payload["slipway"]` is the key that `find_deployment` looks for."""
        fields = {
            "ref": sha,
            "environment": environment,
            "description": line(description),
            "payload": dict(payload),
            "transient_environment": transient,
            "production_environment": environment == "production",
            "auto_merge": False,  # GitHub's defaults would merge the base in, and wait for every check
            "required_contexts": [],
        }
        made = await self._api(DEPLOYMENTS).make("/repos/{owner}/{repo}/deployments", fields, **self._names)
        if "id" not in made:  # 202: a merge instead of a deployment
            raise GitHubRefused(f"GitHub made no deployment: {line(str(made.get('message', '')))}", 202)
        if made.get("sha", sha) != sha:
            raise GitHubRefused(f"GitHub made a deployment of another commit than {sha[:7]}.", 201)
        return number_of(made)

    async def find_deployment(self, sha: str, environment: str, key: str) -> int | None:
        """The deployment of ours whose payload carries this key."""
        url = "/repos/{owner}/{repo}/deployments{?sha,environment,per_page}"
        words: dict[str, Any] = {"sha": sha, "environment": environment, "per_page": PAGE}
        app = await self._app_id()
        async with aclosing(self._api(DEPLOYMENTS).all(url, **self._names, **words)) as made:
            async for one in made:
                if _key(one.get("payload")) == key and _app_of(one) in (None, app):
                    return number_of(one)
        return None

    async def set_deployment_status(
        self,
        deployment: int,
        state: str,
        *,
        description: str,
        environment_url: str | None = None,
        log_url: str | None = None,
        auto_inactive: bool = False,
    ) -> None:
        fields: dict[str, Any] = {"state": state, "description": line(description), "auto_inactive": auto_inactive}
        fields |= {name: url for name, url in (("environment_url", environment_url), ("log_url", log_url)) if url}
        url = "/repos/{owner}/{repo}/deployments/{id}/statuses"
        await self._api(DEPLOYMENTS).make(url, fields, **self._names, id=deployment)

    # ---- comments

    async def create_comment(self, number: int, body: str) -> int:
        url = "/repos/{owner}/{repo}/issues/{number}/comments"
        fields = {"body": fit(body, COMMENT)}
        return number_of(await self._api(COMMENTS).make(url, fields, **self._names, number=number))

    async def update_comment(self, comment: int, body: str) -> None:
        """GitHubRefused with status 404: somebody deleted it; a new one is due."""
        url = "/repos/{owner}/{repo}/issues/comments/{id}"
        await self._api(COMMENTS).change(url, {"body": fit(body, COMMENT)}, **self._names, id=comment)

    async def react(self, comment: int, content: Literal["eyes", "rocket", "-1"]) -> None:
        """A reaction to a comment on a pull request; the same one twice is one."""
        url = "/repos/{owner}/{repo}/issues/comments/{id}/reactions"
        await self._api(COMMENTS).make(url, {"content": content}, **self._names, id=comment)

    async def by_email(self, node: str) -> bool | None:
        """Whether a comment (its node id) came as an e-mail; only GraphQL knows.  None: a server without it.

        GitHub itself always answers with the node or with errors."""
        try:
            answer = await self._api(PULLS).query(ORIGIN, id=node)
        except GitHubRefused as error:
            if error.status in UNSPOKEN:
                return None
            raise
        found = answer["data"].get("node") if isinstance(answer.get("data"), Mapping) else None
        if answer.get("errors"):
            raise GitHubRefused("GitHub does not show how the comment came.", 200)
        if found is None:
            return None
        said = found.get("createdViaEmail") if isinstance(found, Mapping) else None
        if not isinstance(said, bool):
            raise GitHubDown("GitHub's answer does not say how the comment came.")
        return said

    async def find_comment(self, number: int, marker: str, unless: str | None = None) -> int | None:
        """Our oldest comment that holds the marker and not `unless`.  Others may quote it: only the app's own count."""
        url = "/repos/{owner}/{repo}/issues/{number}/comments{?per_page}"
        app = await self._app_id()
        comments = self._api(COMMENTS).all(url, **self._names, number=number, per_page=PAGE)
        async with aclosing(comments):
            async for comment in comments:
                body = comment.get("body") or ""
                if marker in body and (unless is None or unless not in body) and await self._wrote(comment, app):
                    return number_of(comment)
        return None

    async def _wrote(self, comment: Mapping[str, Any], app: int) -> bool:
        via = _app_of(comment)
        if via is not None:
            return via == app
        user = comment.get("user") or {}
        return user.get("type") == "Bot" and user.get("login") == await self._app_login()


def _check(
    status: str, conclusion: str | None, details_url: str | None, title: str, summary: str, text: str | None
) -> dict[str, Any]:
    output: dict[str, Any] = {"title": line(title, 255), "summary": fit(summary, CHECK_TEXT)}
    if text is not None:
        output["text"] = fit(text, CHECK_TEXT)
    fields: dict[str, Any] = {"status": status, "output": output}
    if conclusion is not None:
        fields["conclusion"] = conclusion
    if details_url:
        fields["details_url"] = details_url
    return fields


def _annotations(raw: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [annotation(one) for one in raw]


def _key(payload: object) -> object:
    """A payload comes back as the object that was sent, or as its JSON text."""
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return None
    return payload.get("slipway") if isinstance(payload, Mapping) else None


def _app_of(raw: Mapping[str, Any], field: str = "performed_via_github_app") -> int | None:
    app = raw.get(field)
    return app.get("id") if isinstance(app, Mapping) else None
