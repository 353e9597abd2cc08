"""Rules about the change itself: what was checked, how large it is, what it touches."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.policy.facts import Changed, Check, Facts, Scanned, Unknown
from bot.policy.objection import Needs, Objection, unknown
from bot.policy.terms import Change, ExtraCheck, RequiredCheck, Scan

PREVIEW, SCAN = "slipway/preview", "slipway/scan"
SCANNING = "the scan goes on"  # why there is no report of it yet
UNSCANNED = Unknown("nobody has scanned it; /redeploy does.")
WEIGHED = ("malware", "secrets", "critical", "high", "medium", "low")
VERDICTS = frozenset({"slipway/gate", "slipway/policy"})  # made of these rules, so never a reason for them
NAMED = 5  # checks or paths that an objection names

# Files that say what a project depends on; the languages are those that are detected.
DEPENDENCIES = tuple(
    f"**/{name}"
    for name in (
        *("requirements*.txt", "pyproject.toml", "setup.py", "setup.cfg", "uv.lock", "poetry.lock", "pdm.lock"),
        *("Pipfile", "Pipfile.lock", "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock"),
        *("pnpm-lock.yaml", "bun.lock*", "deno.json", "deno.lock", "Gemfile", "Gemfile.lock", "go.mod", "go.sum"),
        *("Cargo.toml", "Cargo.lock", "composer.json", "composer.lock", "pom.xml", "build.gradle*", "mix.exs"),
        "mix.lock",
    )
)
MIGRATIONS = ("**/migrations/**", "**/alembic/**", "**/db/migrate/**", "**/prisma/schema.prisma", "db/schema.rb")


def checks(facts: Facts) -> Objection | None:
    """All checks that count succeeded.

    Those that the policy names are there, and all others unless it ignores them; neutral, skipped and unfinished
    ones have not succeeded."""
    if isinstance(facts.checks, Unknown):
        return unknown("checks", "checks_unknown", "what the checks say", "all succeeded", facts.checks)
    ended, running, absent = _short(facts, facts.checks)
    if not (ended or running or absent):
        return None
    actual = _listed([*ended, *running, *absent])
    if ended:
        ask = "Fix what fails or run it again, then write the command again."
        return Objection("checks", "checks_failed", "Not every check succeeded.", actual, "all succeeded", ask)
    count = len(running) + len(absent)
    words = "Some checks still run." if running else "A check that the policy requires has not been reported."
    ask = "Wait for them, then write the command again."
    title = f"{count} check{'s' * (count > 1)}"
    return Objection("checks", "checks_pending", words, actual, "all succeeded", ask, "time", title)


def _short(facts: Facts, seen: Sequence[Check]) -> tuple[list[str], list[str], list[str]]:
    """Checks that count and have not succeeded: ended, running, and not reported at all."""
    every = facts.terms.other_checks == "required"
    wanted = facts.terms.checks | frozenset(_named(facts.terms.extra_checks))
    others = [check for check in seen if not (check.own and check.name in VERDICTS)]
    counted = [one for one in others if (every or _is_one_of(one, wanted)) and not _known_better(facts, one)]
    short = [one for one in counted if not _succeeded(one)]
    absent = [one for one in wanted if not any(_is_one_of(check, {one}) for check in others)]
    return (
        sorted(f"{one.name}: {one.conclusion}" for one in short if one.status == "completed"),
        sorted(f"{one.name}: {one.status}" for one in short if one.status != "completed"),
        sorted(f"{one.name}: not reported{f' by app {one.app}' if one.app else ''}" for one in absent),
    )


def _named(extra: frozenset[ExtraCheck]) -> Iterator[RequiredCheck]:
    yield from (one.check for one in extra if one.check is not None)


def _is_one_of(check: Check, wanted: frozenset[RequiredCheck] | set[RequiredCheck]) -> bool:
    """By name and by who reports it: anybody may report anything under any name."""
    return any(check.name == one.name and (check.own if one.app is None else check.app_id == one.app) for one in wanted)


def _known_better(facts: Facts, check: Check) -> bool:
    """The books are asked how preview and scan are, and what their checks say may be older than that."""
    known = {PREVIEW: not isinstance(facts.preview, Unknown), SCAN: facts.scan is not None}
    return check.own and known.get(check.name, False)


def _succeeded(check: Check) -> bool:
    # Our own preview check is told to GitHub after the comment: while it runs there, the books know better.
    running = check.own and check.name == PREVIEW and check.status != "completed"
    return running or (check.status == "completed" and check.conclusion == "success")


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more


def decided_elsewhere(facts: Facts) -> Objection | None:
    """The services that the policy asks say yes."""
    for one in sorted((one.webhook for one in facts.terms.extra_checks if one.webhook), key=str):
        said = facts.extra.get(one, Unknown("it was not asked"))
        if isinstance(said, Unknown):
            return unknown("extra_check", "extra_check_unknown", f"what {_host(one)} decides", "yes", said)
        if not said:
            words = f"{_host(one)} said no."
            ask = "Ask those who run it."
            return Objection("extra_check", "extra_check_denied", words, "no", "yes", ask, "person")
    return None


def _host(url: str) -> str:
    """A webhook's address may hold a secret in its path."""
    return url.partition("://")[2].partition("/")[0][:100]


def scanned(facts: Facts) -> Objection | None:
    """The scan stays within the limits.

    No report is not a pass, but where this server does not scan and nobody has set a limit."""
    terms, seen = facts.terms.scan, facts.scan
    if seen is None and dataclasses.replace(terms, revoke="never") == Scan():  # it limits nothing here
        return None
    if seen is None or isinstance(seen, Unknown):
        why = seen if seen is not None else Unknown("this server does not scan.")
        going = isinstance(seen, Unknown) and seen.why == SCANNING
        return None if terms.unknown == "allow" else _unscanned(why, "time" if going else "answer")
    if terms.max_age is not None and facts.now > seen.at + terms.max_age:
        hours, most = (facts.now - seen.at) / 3600, terms.max_age / 3600
        words = "The scan is too old: faults become known after it."
        ask = "Write /redeploy, which scans it again."
        return Objection("scan", "scan_old", words, f"{hours:.0f} h", f"{most:.0f} h", ask, "answer")
    over = _over(seen, terms)
    if not over:
        return _overtaken(seen, terms)
    words = "The scan found something new that weighs too much."
    ask = "Mend it and push; the check slipway/scan says where it is and how."
    return Objection("scan", "scan_failed", words, ", ".join(over), _allowed(terms), ask, short=f"scan: {over[0]}")


def _overtaken(seen: Scanned, terms: Scan) -> Objection | None:
    """What became known after the scan, of what it depends on."""
    if isinstance(seen.late, Unknown):
        what = "which advisories were published since the scan"
        said = unknown("scan", "advisories_unknown", what, "an answer of GitHub's database", seen.late)
        return None if terms.unknown == "allow" else said
    over = exceeded(seen.late_found, terms)
    if not over:
        return None
    words = f"Since it was scanned this became known: {_listed(list(seen.late))}."
    ask = "Update or remove what is named and push; /redeploy scans it again and says where it stands."
    actual = ", ".join(over)
    return Objection("scan", "advisory_found", words, actual, _allowed(terms), ask, short=f"scan: {over[0]}")


def exceeded(found: Mapping[str, int], terms: Scan) -> list[str]:
    """Of findings counted by weight and kind: what there is more of than may be."""
    return [
        f"{count} new {name}"
        for name in WEIGHED
        if (most := getattr(terms, name)) is not None and (count := found.get(name, 0)) > most
    ]


def _unscanned(why: Unknown, needs: Needs) -> Objection:
    return dataclasses.replace(unknown("scan", "scan_unknown", "what is in it", "a scan", why), needs=needs)


def _over(seen: Scanned, terms: Scan) -> list[str]:
    """What there is more of than may be."""
    return exceeded({name: getattr(seen, name) for name in WEIGHED}, terms)


def _allowed(terms: Scan) -> str:
    said = [f"{most} {name}" for name in WEIGHED if (most := getattr(terms, name)) is not None]
    return f"at most {', '.join(said)}"


def earlier(facts: Facts) -> Objection | None:
    """It is verified where the policy wants it to be first.

    This very artifact."""
    for circle in facts.terms.promote_from:
        if circle & {"preview"} or (isinstance(facts.verified_in, frozenset) and circle & facts.verified_in):
            continue  # `displayed` looks at previews
        required = " or ".join(sorted(circle)) or "nowhere"
        if isinstance(facts.verified_in, Unknown):
            return unknown("promote_from", "promote_from_unknown", "where it is verified", required, facts.verified_in)
        first = min(circle, default="staging")
        words = f"{facts.environment} takes only what is verified in {required}."
        actual = ", ".join(sorted(facts.verified_in)) or "nowhere"
        again = f"/promote {first} {str(facts.displayed_sha)[:7]}"
        return Objection("promote_from", "not_verified_before", words, actual, required, again, "person")
    return None


# ---- changes by agents


def size(facts: Facts) -> Objection | None:
    """An agent's change is small enough to be looked at."""
    require = facts.policy.agents.require
    if facts.agent is None or (require.max_lines is None and require.max_files is None):
        return None
    if isinstance(facts.changed, Unknown):
        return unknown("size", "size_unknown", "how large the change is", "a small change", facts.changed)
    changed, again = facts.changed, "Split it into smaller pull requests, or ask a person to take it over."
    for what, actual, most in (
        ("lines", changed.lines, require.max_lines),
        ("files", changed.files, require.max_files),
    ):
        if most is not None and actual > most:
            words = f"An agent's change may have {most} {what}; this one has {actual}."
            return Objection("size", "too_large", words, f"{actual} {what}", f"{most} {what}", again, "change")
    return None


def paths(facts: Facts) -> Objection | None:
    """An agent's change leaves protected paths alone."""
    denied = facts.policy.agents.require.deny_paths
    if facts.agent is None or not denied:
        return None
    if isinstance(facts.changed, Unknown):
        return unknown("paths", "paths_unknown", "what it touches", "nothing that is protected", facts.changed)
    touched = _touched(facts.changed, denied)
    if not touched and facts.changed.whole:
        return None
    if not touched:
        why = Unknown(f"GitHub lists {len(facts.changed.paths)} of its {facts.changed.files} files")
        return unknown("paths", "paths_unknown", "what it touches", "nothing that is protected", why)
    words = "The policy keeps these paths from agents."
    again = "Take them out of the change, or ask a person to make it."
    return Objection("paths", "path_denied", words, _listed(touched), "none of them", again)


def dependencies(facts: Facts) -> Objection | None:
    """New dependencies of an agent have a person's leave."""
    rule = facts.policy.agents.require.new_dependencies
    return _asked(facts, "dependencies", rule, DEPENDENCIES, "what the project depends on")


def migrations(facts: Facts) -> Objection | None:
    """Migrations of an agent have a person's leave.

    A database remembers."""
    return _asked(facts, "migrations", facts.policy.agents.require.migrations, MIGRATIONS, "the database")


def _asked(facts: Facts, name: str, rule: Change, patterns: tuple[str, ...], what: str) -> Objection | None:
    if facts.agent is None or rule == "allow" or (rule == "ack" and name in facts.acks):
        return None
    if isinstance(facts.changed, Unknown):
        return unknown(name, f"{name}_unknown", "what it touches", "known", facts.changed)
    touched = _touched(facts.changed, patterns)
    if not touched and facts.changed.whole:
        return None
    actual = _listed(touched) or "not all files are listed"
    words = f"This change by an agent touches {what}."
    if rule == "deny":
        again = "Take it out of the change, or ask a person to make it."
        return Objection(name, f"{name}_denied", words, actual, "none", again)
    return Objection(name, "ack_missing", words, actual, "a person's leave", f"/ack {name}", "person", f"{name}: ack")


def _touched(changed: Changed, patterns: Iterable[str]) -> list[str]:
    known = _any_of(frozenset(patterns))
    return [path for path in changed.paths if known.fullmatch(path)]


def matches(pattern: str, path: str) -> bool:
    """Whether a path is meant by a pattern: `*` within a folder, `**` across them."""
    return _any_of(frozenset({pattern})).fullmatch(path) is not None


@functools.lru_cache(maxsize=256)
def _any_of(patterns: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_expression(one)})" for one in sorted(patterns)), re.DOTALL)


def _expression(pattern: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


# ---- the policy itself


def policy_known(facts: Facts) -> Objection | None:
    """The policy can be read."""
    if facts.policy_fault is None:
        return None
    words = f"The policy can't be read: {facts.policy_fault.why}"
    fix = "Correct .slipway.yml on the default branch; `slipway policy check` says where it is wrong."
    return Objection("policy", "policy_unreadable", words, "unreadable", "a valid policy", fix, "answer", "policy")


def policy_kept(facts: Facts) -> Objection | None:
    """The policy is not loosened.

    A change of it is judged by the old one; agents never loosen what they are judged by."""
    if isinstance(facts.policy_change, Unknown):
        what = "what it does to the policy"
        return unknown("policy", "policy_unknown", what, "not looser", facts.policy_change)
    if facts.policy_change == "invalid":
        words, fix = "The policy in this change is not valid.", "slipway/policy says where it is wrong."
        return Objection("policy", "policy_invalid", words, "invalid", "a valid policy", fix)
    if facts.policy_change == "looser" and facts.agent is not None:
        words = "This change loosens the policy, and an agent wrote it."
        return Objection("policy", "policy_loosened", words, "looser", "not looser", "Ask a person to propose it.")
    if facts.policy_change == "looser" and "policy" not in facts.acks:
        words = "This change loosens the policy."
        return Objection(
            "policy", "ack_missing", words, "looser", "an admin's leave", "/ack policy", "person", "policy: ack"
        )
    return None
