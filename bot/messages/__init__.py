"""The words on GitHub: the sticky comment, the check run, the deployment's line.  Pure: rows in, Markdown out.

Nothing of the outside reaches Markdown unescaped: `inline` for a line, `fenced` for logs.  No reply ever starts a
line with "/", so that no other bot takes it for a command.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bot.messages import facts
from bot.models import Deployment, PullRequest, State

MARKER = "<!-- slipway:v1 "
CHECK = "slipway/preview"
# What the check's buttons say (at most three, at most 20 characters each) -> the command that pressing one is.
BUTTONS = {
    "promote": "/promote production {target}",
    "rollback": '/rollback production --reason="the button on the check"',
    "rebuild": "/redeploy",
}
_BUTTONS = {
    "promote": {"label": "Promote", "description": "Release this commit to production", "identifier": "promote"},
    "rollback": {"label": "Roll back", "description": "Back to the last verified release", "identifier": "rollback"},
    "rebuild": {"label": "Rebuild", "description": "Build and start this commit again", "identifier": "rebuild"},
}
LOG_LINES = 40  # of the log's end, in comment and check

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>~&\-])")


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """All that a report speaks of, read from the books at one moment."""

    pull: PullRequest
    deployment: Deployment  # the newest
    serving: Deployment | None  # the one that answers at `url`, when it is another
    url: str  # follows the pull request
    commit_url: str  # this commit, for as long as it lives
    log_url: str
    isolates: bool = True
    log: str = ""
    production: str = ""  # Markdown of bot.messages.production
    production_twin: Mapping[str, Any] | None = None
    rewrites: tuple[int, int] = (0, 0)  # commands that were edited, and deleted, after they were answered
    money: str = ""  # Markdown of bot.messages.money
    money_twin: Mapping[str, Any] | None = None
    scan: str = ""  # Markdown of bot.messages.scan
    scan_twin: Mapping[str, Any] | None = None
    wants: str = ""  # Markdown of bot.messages.wants
    wants_twin: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """What a check run shows."""

    status: Literal["in_progress", "completed"]
    conclusion: Literal["success", "failure", "action_required", "cancelled"] | None
    title: str
    summary: str
    text: str | None = None
    annotations: tuple[Mapping[str, Any], ...] = ()
    actions: tuple[Mapping[str, str], ...] = ()

    @property
    def told(self) -> str:
        """What is compared with what GitHub has: the wording may change, the state is what counts."""
        return f"{self.status}:{self.conclusion}"


def inline(text: str, most: int = 300) -> str:
    """Outside text inside a line: one line, no control characters, no markup, no mention, no link by accident."""
    flat = " ".join(_CONTROL.sub("", text).split())
    short = flat if len(flat) <= most else flat[: most - 1] + "…"
    safe = _MARKUP.sub(r"\\\1", short).replace("@", "@\u2060").replace("://", ":\u2060//")
    return f"\\{safe}" if safe.startswith("/") else safe


def code(text: str, most: int = 200) -> str:
    """Outside text as inline code; backticks can't be escaped there, so they become primes."""
    flat = " ".join(_CONTROL.sub("", text).split())[:most]
    return f"`{flat.replace('`', 'ʹ').replace('|', '¦')}`" if flat else ""


def fenced(text: str, most: int = 20_000) -> str:
    """A block of outside text: its end, in a fence longer than any run of backticks inside."""
    clean = _CONTROL.sub("", text)[-most:]
    longest = max((len(run) for run in re.findall(r"`{3,}", clean)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{clean}\n{fence}"


def marker(values: Mapping[str, Any]) -> str:
    """The machine-readable twin: one HTML comment that outside text can't close."""
    raw = json.dumps(values, separators=(",", ":"), sort_keys=True)
    safe = raw.replace("<", "\\u003c").replace(">", "\\u003e").replace("@", "\\u0040").replace("--", "\\u002d\\u002d")
    return f"{MARKER}{safe} -->"


def seconds(deployment: Deployment) -> float | None:
    """From the delivery to the first healthy answer."""
    return deployment.live_at - deployment.received_at if deployment.live_at else None


def duration(span: float) -> str:
    """Seconds in the unit people use: 840 ms, 3.2 s, 12 min, 5 h, 3 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if span >= 2 * size:
            return f"{span / size:.0f} {unit}"
    return f"{span:.1f} s" if span >= 1 else f"{max(span, 0) * 1000:.0f} ms"


def check(view: View) -> Check:
    """The check run `slipway/preview` for the newest deployment.  It always ends, never neutral or skipped."""
    deployment, sha = view.deployment, view.deployment.sha[:7]
    if deployment.state.working:
        return Check("in_progress", None, f"{_doing(deployment.state)} {sha}", f"Watch it at {view.commit_url}")
    if deployment.state is State.FAILED:
        return _failed_check(view)
    if deployment.state is State.REFUSED:
        title = str((deployment.failure or {}).get("message", "Not run"))
        return Check("completed", "action_required", title[:120], _reason(view) or title, _twin(view))
    if deployment.state is State.CANCELLED and deployment.failure:
        title = str(deployment.failure.get("message", "Stopped"))
        again = (_BUTTONS["rebuild"],)
        return Check("completed", "cancelled", title[:120], inline(title), actions=again)
    if deployment.state is State.CANCELLED or deployment.live_at is None:
        return Check(
            "completed", "cancelled", f"{sha} was replaced before it was live", "A newer state took its place."
        )
    took = duration(seconds(deployment) or 0)
    summary = f"{_app_table(view)}\n\n{_details(view)}"
    return Check("completed", "success", f"Live in {took}", summary, actions=tuple(_BUTTONS.values()))


def remote(deployment: Deployment) -> tuple[str, str]:
    """The state and the line (≤ 140 characters) of GitHub's Deployment."""
    match deployment.state:
        case state if state.working:
            return "in_progress", _doing(state)
        case State.LIVE | State.ASLEEP:
            return "success", f"Live in {duration(seconds(deployment) or 0)}"
        case State.FAILED:
            message = " ".join(str((deployment.failure or {}).get("message", "")).split())
            return "failure", message[:139] or "Failed"
        case _:
            return "inactive", "Replaced or removed"


def comment(view: View) -> str:
    """The one sticky comment of a pull request."""
    merged = view.deployment.sha == view.pull.merge_sha
    if view.pull.receipt is not None and view.pull.state != "open" and not merged:
        return _receipt(view)
    if view.deployment.state is State.REMOVED:
        return _expired(view)
    parts = [_twin(view), _status_line(view)]
    parts += [_reason(view)] if view.deployment.failure else [_app_table(view)]
    parts += [view.production, _agent_line(view), view.scan, view.money, _rewrites(view), view.wants, _notes(view)]
    parts += [_commands(), _details(view)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _twin(view: View) -> str:
    deployment = view.deployment
    failure = deployment.failure or {}
    return marker(
        {
            "schema": 1,
            "state": deployment.state.value,
            "reason_code": failure.get("reason_code") or (view.production_twin or {}).get("reason_code"),
            "production": view.production_twin,
            "sha": deployment.sha,
            "tree": deployment.tree,
            "deployment": deployment.id,
            "artifact": deployment.artifact,
            "url": view.url,
            "commit_url": view.commit_url,
            "log_url": view.log_url,
            "seconds": round(seconds(deployment) or 0, 3) or None,
            "serving": view.serving.sha if view.serving else None,
            "agent": view.pull.agent,
            "agent_id": view.pull.agent_id,
            "money": view.money_twin,
            "scan": view.scan_twin,
            "wants": list(view.wants_twin),
            "error": facts.error(deployment, view.log),
            "limits": facts.limits(deployment),
            **facts.again(deployment),
        }
    )


def _doing(state: State) -> str:
    return {
        State.QUEUED: "Waiting to build",
        State.FETCHING: "Fetching",
        State.BUILDING: "Building",
        State.STARTING: "Starting",
    }.get(state, "Working on")


def _status_line(view: View) -> str:
    deployment, sha = view.deployment, f"`{view.deployment.sha[:7]}`"
    old = f" Meanwhile [the preview]({view.url}) shows `{view.serving.sha[:7]}`." if view.serving else ""
    match deployment.state:
        case State.FAILED:
            step = (deployment.failure or {}).get("step", "run")
            return f"### 🔴 The preview of {sha} failed\n\nIt stopped in step **{inline(step)}**.{old}"
        case State.REFUSED:
            return f"### ⚪ {sha} was not run"
        case State.CANCELLED if deployment.failure:
            return f"### ⚪ The build of {sha} was stopped\n\n{old.strip()}".rstrip()
        case State.CANCELLED:
            return f"### ⚪ {sha} was replaced before it was live"
        case state if state.working:
            reserved = f"{view.url} shows the progress and turns into the app by itself."
            return f"### 🟡 {_doing(state)} {sha}\n\n{old.strip() or reserved}"
    return _live_line(view)


def _live_line(view: View) -> str:
    deployment = view.deployment
    took = duration(seconds(deployment) or 0)
    how = f" · {deployment.reused}" if deployment.reused else ""
    resting = " · asleep, wakes on the next request" if deployment.state is State.ASLEEP else ""
    what = "what was merged, " if deployment.sha == view.pull.merge_sha else ""
    return f"### 🟢 Preview of {what}`{deployment.sha[:7]}` is live · {took}{how}{resting}"


def _app_table(view: View) -> str:
    deployment, plan = view.deployment, view.deployment.plan or {}
    app = inline(_called(plan) or "finding out", 120)
    health = "answers" if deployment.state in (State.LIVE, State.ASLEEP) else _doing(deployment.state).lower()
    preview, commit = f"**[{_host(view.url)}]({view.url})**", f"[`{deployment.sha[:7]}`]({view.commit_url})"
    head = "| App | Preview | This commit | Health |\n| --- | --- | --- | --- |"
    return f"{head}\n| {app} | {preview} | {commit} | {health} |"


def _called(plan: Mapping[str, Any]) -> str:
    """What it is made with; of several services also where each answers."""
    if plan.get("parts"):
        return ", ".join(f"{_called(part)} at {part['mount']}" for part in plan["parts"] if part.get("mount"))
    return " · ".join(str(plan[k]) for k in ("framework", "language") if plan.get(k))


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split(":", 1)[0].split("/", 1)[0]


def _reason(view: View) -> str:
    failure = view.deployment.failure or {}
    lines = [inline(str(failure.get("message", "")), 600)]
    if failure.get("path"):
        line = f":{failure['line']}" if failure.get("line") else ""
        lines.append(f"At {code(str(failure['path']) + line)}")
    if failure.get("rule"):
        now, required = inline(str(failure.get("actual"))), inline(str(failure.get("required")))
        head = "| rule | now | required |\n| --- | --- | --- |"
        lines.append(f"{head}\n| {inline(str(failure['rule']))} | {now} | {required} |")
    if (view.deployment.limits or {}).get("attempts"):
        tried = view.deployment.limits or {}
        lines.append(f"Attempt {tried['attempt']} of {tried['attempts']} in a row.")
    if failure.get("hint"):
        hint = str(failure["hint"])
        lines.append(f"**Next:** {code(hint) if hint.startswith('/') else inline(hint, 600)}")
    tail = f"\n\n{fenced(_tail(view.log))}" if view.log and view.deployment.state is State.FAILED else ""
    return "\n\n".join(lines) + tail


def _agent_line(view: View) -> str:
    if not view.pull.agent:
        return ""
    why = f" ({inline(view.pull.agent_why, 160)})" if view.pull.agent_why else ""
    return f"🤖 Written by **{inline(view.pull.agent, 60)}**{why}."


def _rewrites(view: View) -> str:
    told = [f"{n} {how}" for n, how in zip(view.rewrites, ("edited", "deleted"), strict=True) if n]
    if not told:
        return ""
    return (
        f"✏️ Commands on this page that were changed after they were answered: {', '.join(told)}. What they did stays."
    )


def _notes(view: View) -> str:
    if view.isolates or (view.deployment.plan or {}).get("kind") == "static":
        return ""
    return (
        "⚠️ This server runs previews as plain processes: they are kept apart only a little. "
        "Use Docker for code you don't trust."
    )


def _commands() -> str:
    return (
        f"Push to update it; *Re-run* on the check `{CHECK}` or `/redeploy` builds it again; "
        "`/promote production` releases it; `/help` lists the commands. Closing the pull request removes it."
    )


def _details(view: View) -> str:
    deployment, blocks = view.deployment, []
    if deployment.timeline:
        first = deployment.received_at
        rows = "\n".join(f"| {duration(at - first)} | {inline(words)} |" for at, words in deployment.timeline)
        blocks.append(_folded("Timeline", f"| after | what |\n| ---: | --- |\n{rows}\n\n[Whole log]({view.log_url})"))
    if view.log and deployment.state is not State.FAILED:
        blocks.append(_folded("End of the log", fenced(_tail(view.log))))
    why = (deployment.plan or {}).get("why") or {}
    if why:
        rows = "\n".join(f"| {inline(field, 40)} | {inline(str(reason))} |" for field, reason in why.items())
        blocks.append(_folded("Why it is built this way", f"| what | because |\n| --- | --- |\n{rows}"))
    return "\n\n".join(blocks)


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _tail(log: str) -> str:
    return "\n".join(log.splitlines()[-LOG_LINES:])


def _failed_check(view: View) -> Check:
    failure = view.deployment.failure or {}
    message = " ".join(str(failure.get("message", "Failed")).split())
    annotations: tuple[Mapping[str, Any], ...] = ()
    if failure.get("path"):
        line = int(failure.get("line") or 1)
        spot = {"path": str(failure["path"]), "start_line": line, "end_line": line}
        annotations = ({**spot, "annotation_level": "failure", "title": "slipway/preview", "message": message[:4000]},)
    title = f"Failed in step {failure.get('step', 'run')}: {message}"
    again = (_BUTTONS["rebuild"],)
    text = "\n\n".join(part for part in (_twin(view), _details(view)) if part)
    return Check("completed", "failure", title[:120], _reason(view), text, annotations, again)


def _receipt(view: View) -> str:
    gone = view.pull.receipt or {}
    how = "merged" if view.pull.state == "merged" else "closed"
    removed = ", ".join(
        f"{gone[k]} {k if gone[k] != 1 else k[:-1]}" for k in ("instances", "addresses", "builds") if k in gone
    )
    proof = (
        "Looked again afterwards: nothing is left." if gone.get("verified") else "Some of it is still being removed."
    )
    lived = duration(float(gone.get("seconds", 0)))
    more = "".join(f"\n{block}\n" for block in (view.production, view.money) if block)
    return (
        f"{_twin(view)}\n\n### ⚪ Preview removed, the pull request was {how}\n\n"
        f"It lived {lived}; last shown was `{view.deployment.sha[:7]}`. "
        f"Removed: {removed or 'nothing was running'}. {proof}\n{more}"
    )


def _expired(view: View) -> str:
    failure, sha = view.deployment.failure, f"`{view.deployment.sha[:7]}`"
    if failure:  # somebody asked for it
        return f"{_twin(view)}\n\n### ⚪ Preview of {sha} was removed\n\n{_reason(view)}\n\n{_commands()}\n"
    return (
        f"{_twin(view)}\n\n### ⚪ Preview of {sha} was removed after a long rest\n\n"
        f"Nobody had opened it for a while. {_commands()}\n"
    )
