"""The rules that hold without a policy file.  Each looks at the facts and objects, or has nothing to say.

Words and names in objections are plain text: whoever shows them escapes them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from bot.policy.facts import Check, Facts, Review, Role, Stop, Unknown

DEPLOYER = Role.MAINTAIN  # the least role that changes production
REVIEWER = Role.WRITE  # the least role whose approval counts
APPROVALS = 1
NAMELESS = 1  # more of them when somebody wrote in it whom GitHub can't name: it may be the approver
PREVIEW = "slipway/preview"
NAMED = 5  # checks that an objection names


@dataclasses.dataclass(frozen=True, slots=True)
class Objection:
    """Why not.  `next` is what helps: a command alone when it begins with "/", else a sentence."""

    rule: str
    reason_code: str
    words: str
    actual: str
    required: str
    next: str | None = None


Rule = Callable[[Facts], Objection | None]


def judge(facts: Facts, rules: Sequence[Rule] | None = None) -> tuple[Objection, ...]:
    """Every objection, the weightiest first, each said once; none: allowed.  Without `rules`: those of a promotion."""
    said: dict[tuple[str, str], Objection] = {}
    for rule in RULES if rules is None else rules:
        found = rule(facts)
        if found is not None:
            said.setdefault((found.reason_code, found.words), found)
    return tuple(said.values())


def permission(facts: Facts) -> Objection | None:
    """Only people who may change the repository's settings or branches change production."""
    role, required = facts.actor_role, f"{DEPLOYER.word} or admin"
    if isinstance(role, Unknown):
        words = f"I could not verify what {facts.actor_login} may do here: {role.why}"
        again = "Try again in a moment; production stays as it is until GitHub answers."
        return Objection("permission", "permission_unknown", words, "unknown", required, again)
    if role >= DEPLOYER:
        return None
    words = f"{facts.actor_login} may not change {facts.environment}."
    ask = f"Ask somebody with {required} permission in this repository."
    return Objection("permission", "not_permitted", words, role.word, required, ask)


def person(facts: Facts) -> Objection | None:
    """A machine, or a comment written through an app, never changes production."""
    if facts.actor_person:
        return None
    words = f"{facts.actor_login} is not a person, or wrote this through an app."
    ask = "Ask a person to write the command on GitHub."
    return Objection("person", "not_permitted", words, "an app", "a person", ask)


def not_author(facts: Facts) -> Objection | None:
    """Two pairs of eyes: nobody ships a change of their own."""
    if isinstance(facts.author_id, Unknown):
        return _unknown("author", "author_unknown", "who opened this pull request", "somebody else", facts.author_id)
    if facts.author_id != facts.actor_id:
        return None
    words = f"{facts.actor_login} opened this pull request: somebody else has to promote it."
    ask = f"Ask somebody else with {DEPLOYER.word} or admin permission."
    return Objection("author", "not_permitted", words, "the author", "somebody else", ask)


def state(facts: Facts) -> Objection | None:
    """Open, or merged without becoming something else."""
    if isinstance(facts.state, Unknown):
        return _unknown("state", "pull_unknown", "whether this pull request is open", "open or merged", facts.state)
    if facts.state == "closed":
        words = "This pull request was closed without being merged."
        return Objection("state", "closed", words, "closed", "open or merged", "Reopen it, or open a new one.")
    return _merged(facts) if facts.state == "merged" else None


def _merged(facts: Facts) -> Objection | None:
    required = "the tree that was previewed"
    if isinstance(facts.merged_same, Unknown) or facts.merged_same is None:
        why = facts.merged_same or Unknown("nothing was compared")
        return _unknown("merge", "merge_unknown", "whether the merge is what was previewed", required, why)
    if facts.merged_same:
        return None
    words = "What was merged is not what was previewed: the base had changed meanwhile. So it is built and shown first."
    wait = "Wait until my comment shows it, then promote that."
    again = f"/promote {facts.environment} {facts.merge_sha[:7]}" if facts.merge_sha else wait
    return Objection("merge", "merge_differs", words, "another tree", required, again)


def ready(facts: Facts) -> Objection | None:
    """Its author says that it is not finished."""
    if isinstance(facts.draft, Unknown):
        return _unknown("draft", "pull_unknown", "whether this is a draft", "ready for review", facts.draft)
    if not facts.draft:
        return None
    words = "This pull request is a draft."
    return Objection("draft", "draft", words, "draft", "ready for review", "Mark it as ready for review.")


def own_branch(facts: Facts) -> Objection | None:
    """What was built from a fork was built for a fork; what was merged was built again here."""
    required = "a branch of this repository"
    if isinstance(facts.fork, Unknown):
        return _unknown("fork", "pull_unknown", "where this pull request comes from", required, facts.fork)
    if not facts.fork or _merge_shown(facts):
        return None
    words = "This comes from a fork; what was built from it never goes to production."
    again = "Push the same commits to a branch of this repository and open a pull request from there."
    return Objection("fork", "fork", words, "a fork", required, again)


def displayed(facts: Facts) -> Objection | None:
    """What people saw is what ships: something must have been seen."""
    required = "a live preview in my comment when the command was written"
    if isinstance(facts.displayed_sha, Unknown):
        return _unknown("displayed", "display_unknown", "what my comment showed", required, facts.displayed_sha)
    if facts.displayed_sha is not None:
        return None
    words = "No live preview was shown in my comment when the command was written."
    again = "Wait until my comment shows the preview as live, look at it, then write the command again."
    return Objection("displayed", "not_displayed", words, "nothing", required, again)


def head_still(facts: Facts) -> Objection | None:
    """A commit that nobody saw never rides along."""
    head, shown = facts.head_sha, facts.displayed_sha
    if isinstance(head, Unknown):
        return _unknown("head", "head_unknown", "which commit is the head now", "the commit that was shown", head)
    if not isinstance(shown, str) or head == shown or _merge_shown(facts):
        return None
    words = f"The head moved: my comment showed {shown[:7]}, the pull request is at {head[:7]} now."
    again = f"/promote {facts.environment} {head[:7]}"
    return Objection("head", "head_moved", words, head[:7], shown[:7], again)


def _merge_shown(facts: Facts) -> bool:
    """Whether people saw the very commit that was merged."""
    return facts.state == "merged" and facts.merge_sha is not None and facts.displayed_sha == facts.merge_sha


def unfrozen(facts: Facts) -> Objection | None:
    if isinstance(facts.stops, Unknown):
        return _stops_unknown(facts.stops)
    if facts.stops.frozen is None:
        return None
    words = f"{facts.environment} is frozen{_stop(facts.stops.frozen)}"
    lift = f'/unfreeze {facts.environment} --reason="..."'
    return Objection("freeze", "frozen", words, "frozen", "not frozen", lift)


def unlocked(facts: Facts) -> Objection | None:
    if isinstance(facts.stops, Unknown):
        return _stops_unknown(facts.stops)
    lock = facts.stops.locked
    if lock is None or lock.by == facts.actor_id:
        return None
    words, lift = f"{facts.environment} is locked{_stop(lock)}", f"/unlock {facts.environment}"
    return Objection("lock", "locked", words, f"locked by {lock.login or lock.by}", "not locked by others", lift)


def unheld(facts: Facts) -> Objection | None:
    if isinstance(facts.stops, Unknown):
        return _stops_unknown(facts.stops)
    if facts.stops.held is None:
        return None
    words = f"{facts.environment} is held{_stop(facts.stops.held)}"
    return Objection("hold", "held", words, "held", "not held", f"/unhold {facts.environment}")


def _stops_unknown(unknown: Unknown) -> Objection:
    what = "whether the environment is frozen, locked or held"
    return _unknown("environment", "environment_unknown", what, "neither", unknown)


def approved(facts: Facts) -> Objection | None:
    """Somebody without a hand in the change looked at this very commit and may write here now."""
    needed = APPROVALS + NAMELESS if facts.nameless is True else APPROVALS
    people = "a person" if needed == 1 else "people"
    required = f"{needed} by {people} with {REVIEWER.word} permission and no hand in the change, at the head"
    asked = (facts.reviews, facts.hands, facts.nameless, facts.head_sha)
    missing = next((one for one in asked if isinstance(one, Unknown)), None)
    if missing is not None:
        return _reviews_unknown(missing, required)
    roles = [review.role for review in _candidates(facts)]
    good = sum(isinstance(role, Role) and role >= REVIEWER for role in roles)
    if good >= needed:
        return None
    unknown = [role for role in roles if isinstance(role, Unknown)]
    if good + len(unknown) >= needed:
        return _unknown("approval", "approval_unknown", "what the reviewer may do here", required, unknown[0])
    words = f"Nobody whose approval counts has approved {str(facts.head_sha)[:7]}."
    if good:
        words = "GitHub can't name the author of one of its commits, who may be the one who approved it."
    ask = "Ask somebody who did not write this to approve it, then write the command again."
    return Objection("approval", "approval_missing", words, f"{good}", required, ask)


def _reviews_unknown(unknown: Unknown, required: str) -> Objection:
    return _unknown("approval", "approval_unknown", "who approved this commit", required, unknown)


def _candidates(facts: Facts) -> Iterator[Review]:
    """Approvals that count if their author may write here; one an account, whatever the list says."""
    seen: set[int] = set()
    reviews = () if isinstance(facts.reviews, Unknown) else facts.reviews
    hands = frozenset[int]() if isinstance(facts.hands, Unknown) else facts.hands
    for review in reviews:
        counts = review.person and review.state == "APPROVED" and review.commit == facts.head_sha
        involved = review.reviewer_id in hands or review.reviewer_id == facts.author_id
        if counts and not involved and review.reviewer_id not in seen:
            seen.add(review.reviewer_id)
            yield review


def undisputed(facts: Facts) -> Objection | None:
    """Somebody who may write here asked for changes and has not taken it back."""
    if isinstance(facts.reviews, Unknown):
        return _reviews_unknown(facts.reviews, "no open request")
    for review in facts.reviews:
        serious = isinstance(review.role, Unknown) or review.role >= REVIEWER
        if review.person and review.state == "CHANGES_REQUESTED" and serious:
            words = f"{review.login} asked for changes."
            ask = "Get a new review from them, or dismiss the old one."
            return Objection("changes", "changes_requested", words, "changes requested", "no open request", ask)
    return None


def checks(facts: Facts) -> Objection | None:
    """Every check at the head has succeeded: neutral, skipped and unfinished ones have not."""
    if isinstance(facts.checks, Unknown):
        return _unknown("checks", "checks_unknown", "what the checks say", "all succeeded", facts.checks)
    short = [check for check in facts.checks if not _succeeded(check)]
    if not short:
        return None
    ended = [check for check in short if check.status == "completed"]
    named = sorted(f"{check.name}: {check.conclusion if check in ended else check.status}" for check in short)
    actual = ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
    if ended:
        ask = "Fix what fails or run it again, then write the command again."
        return Objection("checks", "checks_failed", "Not every check succeeded.", actual, "all succeeded", ask)
    ask = "Wait for them, then write the command again."
    return Objection("checks", "checks_pending", "Some checks still run.", actual, "all succeeded", ask)


def _succeeded(check: Check) -> bool:
    # Our own preview check is told to GitHub after the comment: while it runs there, the books know better.
    running = check.own and check.name == PREVIEW and check.status != "completed"
    return running or (check.status == "completed" and check.conclusion == "success")


def _stop(stop: Stop) -> str:
    by = f" by {stop.login}" if stop.login else ""
    until = f" until {dt.datetime.fromtimestamp(stop.until, dt.UTC):%Y-%m-%d %H:%M} UTC" if stop.until else ""
    return f"{by}{until}: {stop.reason}" if stop.reason else f"{by}{until}."


def _unknown(rule: str, reason_code: str, what: str, required: str, unknown: Unknown) -> Objection:
    words = f"I could not find out {what}: {unknown.why}"
    return Objection(rule, reason_code, words, "unknown", required, "Try again in a moment.")


RULES: tuple[Rule, ...] = (
    permission,
    person,
    not_author,
    state,
    ready,
    own_branch,
    displayed,
    head_still,
    unfrozen,
    unlocked,
    unheld,
    approved,
    undisputed,
    checks,
)

# Back to what was verified: no approval, no freeze, no hold; a lock is lifted by the same people with one command.
ROLLBACK: tuple[Rule, ...] = (permission, person, unlocked)


def digest(rules: Sequence[str]) -> str:
    """Which policy judged, for the books: the rules by name, and what they ask for."""
    said = [list(rules), DEPLOYER.word, REVIEWER.word, APPROVALS, NAMELESS, PREVIEW]
    return f"sha256:{hashlib.sha256(json.dumps(said).encode()).hexdigest()}"
