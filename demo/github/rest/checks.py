"""Check runs and suites, commit statuses."""

from __future__ import annotations

import copy

from aiohttp import web

from demo.github.records import Check, CommitStatus, Json, Suite, stamp
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Fields, Refused, missing
from demo.github.shapes import checks, repositories

TEXT = 65_535  # characters of a summary or a text
ANNOTATIONS = 50  # in one request
_STATUSES = ("queued", "in_progress", "completed")
_CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out")
_LEVELS = ("notice", "warning", "failure")
_STATES = ("error", "failure", "pending", "success")
_SAME_CONTEXT = 1000


def _annotation(fields: Fields, row: Json) -> None:
    inner = Fields("CheckRun", row, "annotations.")
    inner.text("path", required=True)
    inner.choice("annotation_level", _LEVELS, required=True)
    inner.text("message", required=True, limit=65_536)
    inner.text("title", limit=255)
    inner.text("raw_details", limit=65_536)
    for name in ("start_line", "end_line"):
        if not isinstance(row.get(name), int):
            inner.wrong(name, "missing_field")
    if row.get("start_line") != row.get("end_line") and ("start_column" in row or "end_column" in row):
        inner.wrong("start_column", "invalid", "columns need start_line and end_line to be the same")
    fields.errors += inner.errors


def _output(fields: Fields, one: Check) -> None:
    """Title and text replace what was there; annotations are added to it."""
    given = fields.given.get("output")
    if given is None:
        return
    if not isinstance(given, dict):
        fields.wrong("output", "invalid")
        return
    inner = Fields("CheckRun", given, "output.")
    creating = one.id == 0
    title = inner.text("title", required=creating, default=one.title or "")
    summary = inner.text("summary", required=True, limit=TEXT)
    text = inner.maybe("text", limit=TEXT)
    rows = inner.rows("annotations", ANNOTATIONS)
    for row in rows:
        _annotation(inner, row)
    fields.errors += inner.errors
    if not fields.errors:
        one.title, one.summary, one.text = title, summary, text
        one.annotations = [*one.annotations, *rows]


def _buttons(fields: Fields, one: Check) -> None:
    rows = fields.rows("actions", 3)
    for row in rows:
        inner = Fields("CheckRun", row, "actions.")
        for name, limit in (("label", 20), ("description", 40), ("identifier", 20)):
            inner.text(name, required=True, limit=limit)
        fields.errors += inner.errors
    if fields.has("actions") and not fields.errors:
        one.actions = rows


def _fill(ask: Ask, fields: Fields, one: Check) -> None:
    """What create and update have in common.  Raises Refused; `one` may be half filled then, so give it a copy."""
    status = fields.choice("status", _STATUSES)
    conclusion = fields.choice("conclusion", _CONCLUSIONS)
    if status == "completed" and conclusion is None and one.conclusion is None:
        fields.wrong("conclusion", "missing_field", "conclusion is required when status is completed")
    url = fields.maybe("details_url")
    if url is not None and not url.startswith(("http://", "https://")):
        fields.wrong("details_url", "invalid", "details_url must be an http(s) URL")
    started, completed = fields.date("started_at"), fields.date("completed_at")
    external = fields.maybe("external_id")
    _output(fields, one)
    _buttons(fields, one)
    fields.done()
    one.details_url = url if url is not None else one.details_url
    one.external_id = external if external is not None else one.external_id
    one.started_at = started or one.started_at
    if conclusion is not None or completed is not None:
        one.status, one.conclusion = "completed", conclusion or one.conclusion
        one.completed_at = completed or stamp(ask.hub.now())
    elif status in ("queued", "in_progress"):
        one.status, one.conclusion, one.completed_at = status, None, None


async def create_check(ask: Ask) -> web.Response:
    fields = ask.fields("CheckRun")
    name, sha = fields.text("name", required=True), fields.text("head_sha", required=True)
    fields.done()
    if len(sha) != 40 or await ask.repo.git.resolve(sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    suite = await _suite(ask, sha)
    one = Check(0, suite, name, "queued", stamp(ask.hub.now()))
    _fill(ask, fields, one)
    one.id = ask.new_id("check")
    suite.reset, suite.updated_at = False, ask.hub.now()
    ask.repo.checks[one.id] = one
    _tell(ask, one, "created")
    return answers.one(checks.check(ask.hub, ask.repo, one), 201)


async def _suite(ask: Ask, sha: str) -> Suite:
    here = (pull for pull in ask.repo.pulls.values() if pull.head_sha == sha and pull.head_repo is ask.repo)
    pull = next(here, None)
    return await ask.acts.suite(ask.repo, sha, pull.head_ref if pull else None)


def _tell(ask: Ask, one: Check, action: str) -> None:
    ask.acts.tell_of_check(ask.repo, one, action, ask.sender)
    if one.status == "completed":
        ask.acts.tell_of_check(ask.repo, one, "completed", ask.sender)


def _check(ask: Ask) -> Check:
    one = ask.repo.checks.get(ask.number("check_run_id"))
    if one is None:
        raise missing()
    return one


async def get_check(ask: Ask) -> web.Response:
    return answers.one(checks.check(ask.hub, ask.repo, _check(ask)))


async def update_check(ask: Ask) -> web.Response:
    one = copy.copy(_check(ask))
    fields = ask.fields("CheckRun")
    one.name = fields.text("name", default=one.name)
    was = one.status
    _fill(ask, fields, one)
    ask.repo.checks[one.id] = one
    one.suite.reset, one.suite.updated_at = False, ask.hub.now()
    if one.status == "completed" and was != "completed":
        ask.acts.tell_of_check(ask.repo, one, "completed", ask.sender)
    ask.hub.touch()
    return answers.one(checks.check(ask.hub, ask.repo, one))


async def list_annotations(ask: Ask) -> web.Response:
    one = _check(ask)
    blob = f"{repositories.html(ask.hub, ask.repo)}/blob/{one.suite.sha}"
    empty = dict.fromkeys(("start_column", "end_column", "title", "raw_details"))
    return answers.many(ask, one.annotations, lambda row: {**empty, **row, "blob_href": f"{blob}/{row['path']}"})


async def rerequest_check(ask: Ask) -> web.Response:
    await ask.acts.rerequest(_check(ask).id, ask.sender.login)
    return answers.one({}, 201)


def _latest(ask: Ask, rows: list[Check]) -> list[Check]:
    """GitHub shows the newest run of a name, unless all are asked for; newest first."""
    name, status = ask.query("check_name"), ask.query("status")
    rows = [one for one in rows if name in ("", one.name) and status in ("", one.status)]
    if ask.query("app_id") not in ("", ask.hub.app_id):
        return []
    rows.sort(key=lambda one: (one.started_at, one.id))
    if ask.query("filter", "latest") == "latest":
        rows = list({one.name: one for one in rows}.values())
    return rows[::-1]


async def list_checks(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.path("ref"))
    rows = _latest(ask, [one for one in ask.repo.checks.values() if one.suite.sha == sha])
    return answers.many(ask, rows, lambda one: checks.check(ask.hub, ask.repo, one), "check_runs")


async def list_suites(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.path("ref"))
    rows = [suite for suite in ask.repo.suites.values() if suite.sha == sha]
    return answers.many(ask, rows, lambda suite: checks.suite(ask.hub, ask.repo, suite), "check_suites")


def _by_number(ask: Ask) -> Suite:
    number = ask.number("check_suite_id")
    found = next((suite for suite in ask.repo.suites.values() if suite.id == number), None)
    if found is None:
        raise missing()
    return found


async def get_suite(ask: Ask) -> web.Response:
    return answers.one(checks.suite(ask.hub, ask.repo, _by_number(ask)))


async def list_suite_checks(ask: Ask) -> web.Response:
    suite = _by_number(ask)
    rows = _latest(ask, [one for one in ask.repo.checks.values() if one.suite is suite])
    return answers.many(ask, rows, lambda one: checks.check(ask.hub, ask.repo, one), "check_runs")


async def rerequest_suite(ask: Ask) -> web.Response:
    ask.acts.reset_suite(ask.repo, _by_number(ask), ask.sender)
    return answers.one({}, 201)


async def create_status(ask: Ask) -> web.Response:
    sha = ask.path("sha")
    if len(sha) != 40 or await ask.repo.git.resolve(sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    fields = ask.fields("Status")
    state = fields.choice("state", _STATES, required=True)
    context = fields.text("context", default="default").lower()
    description, url = fields.maybe("description", limit=140), fields.maybe("target_url")
    same = sum(one.sha == sha and one.context == context for one in ask.repo.statuses)
    if same >= _SAME_CONTEXT:
        fields.wrong("context", "custom", "This SHA and context has reached the maximum number of statuses.")
    fields.done()
    one = CommitStatus(*(ask.new_id("status"), sha, context, state or "", description, url, ask.sender, ask.hub.now()))
    ask.repo.statuses.append(one)
    ask.hub.touch()
    return answers.one(checks.status(ask.hub, ask.repo, one), 201)


async def list_statuses(ask: Ask) -> web.Response:
    sha = await ask.commit(ask.path("ref"))
    rows = [one for one in ask.repo.statuses if one.sha == sha][::-1]
    return answers.many(ask, rows, lambda one: checks.status(ask.hub, ask.repo, one))


ROUTES = (
    ("POST", "/check-runs", create_check, ("checks:write",)),
    ("GET", "/check-runs/{check_run_id}", get_check, ("checks:read",)),
    ("PATCH", "/check-runs/{check_run_id}", update_check, ("checks:write",)),
    ("GET", "/check-runs/{check_run_id}/annotations", list_annotations, ("checks:read",)),
    ("POST", "/check-runs/{check_run_id}/rerequest", rerequest_check, ("checks:write",)),
    ("GET", "/check-suites/{check_suite_id}", get_suite, ("checks:read",)),
    ("GET", "/check-suites/{check_suite_id}/check-runs", list_suite_checks, ("checks:read",)),
    ("POST", "/check-suites/{check_suite_id}/rerequest", rerequest_suite, ("checks:write",)),
    ("GET", "/commits/{ref:.+}/check-runs", list_checks, ("checks:read",)),
    ("GET", "/commits/{ref:.+}/check-suites", list_suites, ("checks:read",)),
    ("GET", "/commits/{ref:.+}/statuses", list_statuses, ("statuses:read",)),
    ("POST", "/statuses/{sha}", create_status, ("statuses:write",)),
)
