"""What a scan is told as: the check `slipway/scan`, its annotations, a line of the sticky comment.  Pure.

Names, paths and messages come out of the pull request and of tools: all of it is escaped, cut and counted here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from bot.messages import Check, code, inline, marker
from bot.messages.findings import LESSER, SHOWN, missing, others, plain, spot, turns, worst
from bot.scanners.findings import Finding, Ran, Report, Severity

CHECK = "slipway/scan"
BATCH = 50  # annotations that GitHub takes in one request
BATCHES = 10  # requests that one report may cost
TWIN = 40_000  # characters of the machine-readable half
HIGHEST_LINE = 2**31 - 1

_LEVELS = {
    Severity.CRITICAL: "failure",
    Severity.HIGH: "failure",
    Severity.MEDIUM: "warning",
    Severity.LOW: "notice",
}
_MANY = {"secret": "secrets", "malicious dependency": "malicious dependencies"}
_KINDS = {"secret": "secret", "malware": "malicious dependency"}  # counted by what they are, not by their weight
_AGAIN = (
    "**Next:** *Re-run* this check; when it says the same, ask whoever runs Slipway: `docs/scan.md` says what it needs."
)
_UNTOLD = {
    0: "there was no answer in time",
    403: "it is not switched on for this repository, or the app was not given `security_events: write`",
    404: "there is none for this repository",
    413: "the report is larger than GitHub takes",
    422: "the app was not given `security_events: write`, or GitHub does not take the report",
    429: "GitHub asked us to wait",
}
_ORDER = ("malicious dependency", "secret", "critical", "high", "medium", "low")


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How many new findings may be there.  None: any number.  A critical secret counts as both."""

    critical: int | None = 0
    high: int | None = 0
    medium: int | None = None
    low: int | None = None
    secrets: int | None = 0
    malware: int | None = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Over:
    """One limit that is not kept."""

    what: Literal["critical", "high", "medium", "low", "secrets", "malware"]
    actual: int
    most: int


def over(report: Report, limits: Limits) -> list[Over]:
    """The limits that are not kept, the gravest first."""
    found = report.counted()
    counts = {"malware": sum(one.kind == "malware" for one in found)}
    counts["secrets"] = sum(one.kind == "secret" for one in found)
    counts |= {step.word: sum(one.severity is step for one in found) for step in reversed(Severity)}
    allowed = dataclasses.asdict(limits)
    return [
        Over(what, actual, allowed[what])  # type: ignore[arg-type]
        for what, actual in counts.items()
        if allowed[what] is not None and actual > allowed[what]
    ]


def reason_code(report: Report | None, limits: Limits) -> str | None:
    """Why it does not pass.  None: it does."""
    if report is None:
        return "scan_unknown"
    broken = {one.what for one in over(report, limits)}
    if broken:
        leaked = {"secrets", *(one.severity.word for one in report.counted() if one.kind == "secret")}
        return "secret_found" if broken & leaked else "scan_failed"
    return "scan_unknown" if report.faults else None


def going(sha: str) -> Check:
    """A run that has only begun."""
    return Check("in_progress", None, f"Scanning {sha[:7]}", "What is new against the merge base is looked for.")


def left(sha: str) -> Check:
    """The run of a commit that nothing has for its head any more."""
    words = f"{code(sha[:7])} is not the head any more, so nobody scans it to the end."
    return Check("completed", "cancelled", f"{sha[:7]} is no head any more", words)


def check(report: Report | None, limits: Limits, sha: str, fault: str | None = None, untold: str = "") -> Check:
    """It always ends, in success, failure or action_required.  `fault`: why there is no report, when there is none.

    `untold`: a last word that changes nothing."""
    if report is None:
        return _unscanned(sha, fault or "the scan gave no report")
    broken = over(report, limits)
    conclusion: Literal["success", "failure", "action_required"] = "success"
    if broken or report.faults:
        conclusion = "failure" if broken else "action_required"
    first = next(iter(batches(report)), [])
    text = _check_twin(report, limits, sha, conclusion, broken)
    summary = "\n\n".join(part for part in (_summary(report, broken, sha), untold) if part)
    return Check("completed", conclusion, _title(report), summary, text, tuple(first))


def checks(report: Report | None, limits: Limits, sha: str, fault: str | None = None, untold: str = "") -> list[Check]:
    """The same several times, each with the next annotations: GitHub appends them."""
    said = check(report, limits, sha, fault, untold)
    more = batches(report)[1:] if report is not None else []
    return [said, *(dataclasses.replace(said, annotations=tuple(batch)) for batch in more)]


def untold(status: int) -> str:
    """Why code scanning does not know of it.  0: no answer."""
    why = _UNTOLD.get(status, f"GitHub refused it ({status})")
    return f"GitHub's code scanning was not told: {why}. The verdict is the same."


def batches(report: Report) -> list[list[Mapping[str, Any]]]:
    """Annotations, as many at once as GitHub takes.  What only an older commit has is in no file of the head."""
    placed = [one for one in report.counted() if one.commit is None and _placeable(one.path)]
    every = [_annotation(one) for one in placed[: BATCH * BATCHES]]
    return [every[at : at + BATCH] for at in range(0, len(every), BATCH)]


def line(report: Report | None) -> str:
    """For the sticky comment."""
    if report is None:
        return "🔎 Scan: not finished"
    silent = f" · no report of {inline(_names(report.faults))}" if report.faults else ""
    return f"🔎 Scan: {_new(report) or '0 new high'}{_rest(report)}{silent}"


def twin(report: Report) -> dict[str, Any]:
    """The same for machines: the counts, what is missing, and the gravest."""
    found = report.counted()
    return {
        "new": _counts(found),
        "known": len(_known(report)),
        "suppressed": len(_suppressed(report)),
        "asks": len(report.asks),
        "missing": [plain(one.tool, 60) for one in report.faults[:LESSER]],
        "findings": [_brief(one) for one in found[:10]],
    }


def told_secret(report: Report, sha: str = "") -> dict[str, Any] | None:
    """Why a preview is not started: a deployment's `failure`.  None: no critical secret is new in it.  `sha`: the head.

    The message begins with what fits into a check's title.  Never the secret, only where it stands."""
    leaked = [one for one in _secrets(report) if one.severity is Severity.CRITICAL]
    if not leaked:
        return None
    first, more = leaked[0], len(leaked) - 1
    rule, where = plain(first.rule, 80), plain(spot(first), 160)
    others = f", and {more} more secret{'s' * (more > 1)}" if more else ""
    message = (
        f"Not started: {rule} is a secret in {where}{others}. "
        "It is in git's history, so everybody who can read the repository has it: removing the line does not help."
    )
    ack = f"/ack {first.id} {sha[:7]}".rstrip()
    hint = (
        "Rotate it where it was issued, then take it out and push; "
        f"a maintainer who knows that it is none, or rotated, comments {ack} and then /redeploy."
    )
    return {
        "reason_code": "secret_found",
        "step": "scan",
        "message": message,
        "hint": hint,
        "path": plain(first.path, 500),
        "line": max(first.line, 1),
        "rule": "scan",
        "actual": f"{len(leaked)} critical secret{'s' * (len(leaked) > 1)}: {rule}",
        "required": "no secret",
    }


def _unscanned(sha: str, why: str) -> Check:
    told = plain(why, 600)
    words = f"{code(sha[:7])} was not scanned: {inline(told, 600)}. No report is no pass."
    values = {"schema": 1, "kind": "scan", "sha": sha, "conclusion": "action_required", "reason_code": "scan_unknown"}
    title = f"not scanned: {told}"[:120]
    return Check("completed", "action_required", title, f"{words}\n\n{_AGAIN}", marker(values | {"why": told}))


# ---- counting


def _known(report: Report) -> list[Finding]:
    found = [one for one in report.findings if one.fingerprint not in report.new and one.suppressed is None]
    return sorted(found, key=lambda one: (-one.score, one.path, one.line))


def _suppressed(report: Report) -> list[Finding]:
    return [one for one in report.findings if one.suppressed is not None]


def _secrets(report: Report) -> list[Finding]:
    return [one for one in report.counted() if one.kind == "secret"]


def _counts(found: Iterable[Finding]) -> dict[str, int]:
    counts = dict.fromkeys(_ORDER, 0)
    for one in found:
        counts[_KINDS.get(one.kind, one.severity.word)] += 1
    return {name: count for name, count in counts.items() if count}


def _new(report: Report) -> str:
    counts = _counts(report.counted())
    return ", ".join(f"{n} new {name if n == 1 else _MANY.get(name, name)}" for name, n in counts.items())


def _rest(report: Report) -> str:
    parts = [(len(_known(report)), "known"), (len(_suppressed(report)), "suppressed")]
    return "".join(f" · {count} {name}" for count, name in parts if count)


def _names(ran: Sequence[Ran]) -> str:
    return ", ".join(plain(one.tool, 30) for one in ran[:5]) + (f" and {len(ran) - 5} more" if len(ran) > 5 else "")


def _title(report: Report) -> str:
    new, faults = _new(report), report.faults
    if faults and not new:
        return f"not scanned: {_names(faults)} gave no report"[:120]
    told = f"{new or 'nothing new'}{_rest(report)}"
    return (f"{told} · no report of {_names(faults)}" if faults else told)[:120]


# ---- words


def _summary(report: Report, broken: Sequence[Over], sha: str) -> str:
    parts = [
        _meaning(report, broken, sha),
        _next(report, broken, sha),
        _limits(broken),
        worst(report.counted()),
        others("Asks to be ignored, without the right to", report.asks, ""),
        missing(report.faults),
        others("Suppressed", _suppressed(report), "why"),
        others("Known: in the merge base already", _known(report), ""),
        turns(report.ran),
    ]
    return "\n\n".join(part for part in parts if part)


def _meaning(report: Report, broken: Sequence[Over], sha: str) -> str:
    at = code(sha[:7])
    if broken:
        return f"{at} brings more than the policy allows. Only what is not in the merge base counts."
    if report.faults:
        return f"{at} was not looked at by every scanner that it needs: what they would have found is unknown."
    if report.counted():
        return f"{at} stays within what the policy allows."
    return f"{at} brings nothing that a scanner objects to."


def _next(report: Report, broken: Sequence[Over], sha: str) -> str:
    found = report.counted()
    if not broken or not found:
        return _AGAIN if report.faults else ""
    leaked = next((one for one in found if one.kind == "secret"), None)
    steps = ["mend what is listed and push"]
    if leaked is not None:
        steps = ["rotate the secret where it was issued (it stays in git's history), take it out, and push"]
    one = leaked or found[0]
    steps.append(f"a maintainer who has looked comments {code(f'/ack {one.id} {sha[:7]}')}")
    steps.append(f"for longer, somebody comments {code(f'/ignore {one.id} --until=YYYY-MM-DD --reason=words')}")
    return f"**Next:** {'; or '.join(steps)}."


def _limits(broken: Sequence[Over]) -> str:
    rows = [f"| {one.what} | {one.actual} | {one.most} |" for one in broken]
    return "\n".join(["| new findings | now | allowed |", "| --- | ---: | ---: |", *rows]) if rows else ""


# ---- for machines, and in the files


def _placeable(path: str) -> bool:
    """Whether GitHub knows this path: what can't be written as UTF-8 it could not be told, and ours is none of it."""
    return bool(path) and path.isprintable() and not path.startswith("/") and ".." not in path.split("/")


def _annotation(one: Finding) -> Mapping[str, Any]:
    first = min(max(one.line, 1), HIGHEST_LINE)
    wanted = f"\n{plain(one.help, 500)}" if one.help else ""
    return {
        "path": one.path,
        "start_line": first,
        "end_line": min(max(one.end_line, first), HIGHEST_LINE),
        "annotation_level": _LEVELS[one.severity],
        "title": f"{one.severity.word}: {plain(one.rule, 200)}"[:255],
        "message": f"{plain(one.message, 600) or plain(one.rule, 200) or one.severity.word}{wanted}\nIts id: {one.id}",
    }


def _brief(one: Finding) -> dict[str, Any]:
    return {
        "id": one.id,
        "severity": one.severity.word,
        "kind": one.kind,
        "rule": plain(one.rule, 80),
        "path": plain(one.path, 200),
        "line": one.line,
        "commit": plain(one.commit, 64) if one.commit else None,
    }


def _check_twin(report: Report, limits: Limits, sha: str, conclusion: str, broken: Sequence[Over]) -> str:
    found = report.counted()
    values = twin(report) | {
        "schema": 1,
        "kind": "scan",
        "sha": sha,
        "conclusion": conclusion,
        "reason_code": reason_code(report, limits),
        "rules": [
            {"rule": f"scan.{one.what}", "actual": one.actual, "required": f"at most {one.most}"} for one in broken
        ],
        "ran": [_turn(one) for one in report.ran[:LESSER]],
    }
    for shown in (100, SHOWN, 10, 0):
        told = [_brief(one) | _mending(one) for one in found[:shown]]
        text = marker(values | {"findings": told})
        if len(text) <= TWIN:
            break
    return text


def _mending(one: Finding) -> dict[str, Any]:
    return {"tool": plain(one.tool, 60), "message": plain(one.message, 300), "help": plain(one.help, 200)}


def _turn(one: Ran) -> dict[str, Any]:
    fault = plain(one.fault, 200) if one.fault is not None else None
    seen = {"tool": plain(one.tool, 60), "version": plain(one.version, 40), "seconds": round(one.seconds, 3)}
    return seen | {"fault": fault, "needed": one.needed}
