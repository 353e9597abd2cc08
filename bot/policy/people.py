"""Rules about people: who may, who has looked, who stands against it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.policy.facts import Facts, Review, Role, Unknown
from bot.policy.objection import Objection, unknown
from bot.policy.terms import Circles

ROLES = {role.word: role for role in Role}
NAMELESS = 1  # approvals


def within(circles: Circles, user_id: int, role: Role | Unknown, teams: frozenset[str] | Unknown) -> bool | Unknown:
    """Whether an account is in every one of these sets.  What could not be asked is unknown where it would decide."""
    answers = [_in(circle, user_id, role, teams) for circle in circles]
    if False in answers:
        return False
    return next((answer for answer in answers if isinstance(answer, Unknown)), True)


def _in(circle: frozenset[str], user_id: int, role: Role | Unknown, teams: frozenset[str] | Unknown) -> bool | Unknown:
    doubt: Unknown | None = None
    for principal in circle:
        kind, _, name = principal.partition(":")
        if kind == "user" and name == str(user_id):
            return True
        if kind == "role":
            if isinstance(role, Unknown):
                doubt = role
            elif role >= ROLES[name]:
                return True
        if kind == "team":
            if isinstance(teams, Unknown):
                doubt = teams
            elif principal in teams:
                return True
    return doubt or False


def named(circles: Circles) -> str:
    """Circles as people read them."""
    every = [" or ".join(_name(one) for one in sorted(circle)) or "nobody" for circle in circles]
    return ", and ".join(every) or "anybody"


def _name(principal: str) -> str:
    kind, _, name = principal.partition(":")
    higher = {"write": "write, maintain or admin", "maintain": "maintain or admin"}
    return f"{higher.get(name, name)} permission" if kind == "role" else f"{kind} {name}"


def permission(facts: Facts) -> Objection | None:
    """Who asks may change this environment.

    Those whom the policy names; without a policy, who may change settings here."""
    if facts.machine_may:
        return None
    circles = facts.terms.deployers
    required = named(circles)
    allowed = within(circles, facts.actor_id, facts.actor_role, facts.actor_teams)
    if isinstance(allowed, Unknown):
        words = f"I could not verify what {facts.actor_login} may do here: {allowed.why}"
        again = f"Try again in a moment; {facts.environment} stays as it is until GitHub answers."
        return Objection("permission", "permission_unknown", words, "unknown", required, again, "answer")
    # Whatever a policy says: who may not even write here does not release.
    least = facts.actor_role
    if allowed and isinstance(least, Role) and least >= Role.WRITE:
        return None
    actual = least.word if isinstance(least, Role) else "unknown"
    words = f"{facts.actor_login} may not change {facts.environment}."
    return Objection("permission", "not_permitted", words, actual, required, f"Ask {required}.", "person")


def person(facts: Facts) -> Objection | None:
    """A person asks, or a machine that may."""
    if facts.actor_person or facts.machine_may:
        return None
    words = f"{facts.actor_login} is not a person, or wrote this through an app."
    ask = "Ask a person to write the command on GitHub."
    return Objection("person", "not_permitted", words, "an app", "a person", ask, "person")


def not_author(facts: Facts) -> Objection | None:
    """Somebody else than the author asks.

    Two pairs of eyes, unless the policy says otherwise, or gives the verb to the machine that wrote it."""
    if facts.terms.author_may_promote or facts.machine_may:
        return None
    if isinstance(facts.author_id, Unknown):
        return unknown("author", "author_unknown", "who opened this pull request", "somebody else", facts.author_id)
    if facts.author_id != facts.actor_id:
        return None
    words = f"{facts.actor_login} opened this pull request: somebody else has to promote it."
    ask = f"Ask somebody else: {named(facts.terms.deployers)}."
    return Objection("author", "not_permitted", words, "the author", "somebody else", ask, "person")


def confirmed(facts: Facts) -> Objection | None:
    """It was confirmed, where the policy wants that."""
    if facts.terms.confirm == "none":
        return None
    if facts.terms.confirm == "web":  # no comment shows that a person is there
        words = f"{facts.environment} wants a confirmation in the browser, which this version can't take yet."
        ask = "Set confirm to comment in the policy."
        return Objection("confirm", "confirmation_missing", words, "none", "in the browser", ask, "person")
    if facts.confirmed:
        return None
    words = f"{facts.environment} wants a confirmation: write the command again with --confirm, within 15 minutes."
    again = f"/promote {facts.environment} {str(facts.displayed_sha)[:7]} --confirm"
    return Objection("confirm", "confirmation_missing", words, "none", "a second comment", again, "person")


# ---- approvals


def approvals_needed(facts: Facts) -> int:
    """How many; of an agent's change at least as many as the policy wants of agents.

    One more when somebody wrote in it whom GitHub can't name: who approves may be that author."""
    terms = facts.terms.approvals
    count = max(terms.count, facts.policy.agents.require.approvals) if facts.agent else terms.count
    return count + NAMELESS if count and facts.nameless is True and "committers" in terms.exclude else count


def approved(facts: Facts) -> Objection | None:
    """Enough people without a hand in it approved the head.

    People who have the right to say so now."""
    count, terms = approvals_needed(facts), facts.terms.approvals
    if count == 0:
        return None
    kind = "a review" if terms.strength == "review" else "a review or /approve"
    required = f"{count} by {named(terms.from_)}, with no hand in the change, at the head ({kind})"
    asked = (facts.reviews, facts.hands, facts.nameless, facts.head_sha)
    missing = next((one for one in asked if isinstance(one, Unknown)), None)
    if missing is not None:
        return _unread(missing)
    if terms.strength == "web":
        words = "The policy wants approvals in the browser, which this version can't take yet."
        ask = "Set approvals.strength to review in the policy."
        return Objection("approval", "approval_missing", words, "0", required, ask, "person", f"approvals 0/{count}")
    answers = [within(terms.from_, one.reviewer_id, one.role, one.teams) for one in _candidates(facts)]
    good = sum(answer is True for answer in answers)
    if good >= count:
        return None
    doubts = [answer for answer in answers if isinstance(answer, Unknown)]
    if good + len(doubts) >= count:
        return unknown("approval", "approval_unknown", "what the reviewer may do here", required, doubts[0])
    few = f"Only {good} of {count} people" if good else "Nobody"
    words = f"{few} whose approval counts approved {str(facts.head_sha)[:7]}."
    if facts.nameless is True and good:
        words = f"{words} GitHub can't name the author of one of its commits, so it takes one more."
    ask = "Ask somebody who did not write this to approve it."
    return Objection(
        "approval", "approval_missing", words, f"{good}", required, ask, "person", f"approvals {good}/{count}"
    )


def _unread(why: Unknown) -> Objection:
    return unknown("approval", "approval_unknown", "who approved this commit", "approvals that can be read", why)


def _candidates(facts: Facts) -> Iterator[Review]:
    """Approvals that count if their author has the right; one an account, whatever the list says."""
    seen: set[int] = set()
    terms, involved = facts.terms.approvals, _involved(facts)
    reviews = () if isinstance(facts.reviews, Unknown) else facts.reviews
    for review in reviews:
        counts = review.state == "APPROVED" and review.commit == facts.head_sha
        counts = counts and (review.person or not terms.human_only)
        counts = counts and (review.how == "review" or terms.strength == "comment")
        if counts and review.reviewer_id not in involved and review.reviewer_id not in seen:
            seen.add(review.reviewer_id)
            yield review


def _involved(facts: Facts) -> frozenset[int]:
    """Whose word does not count, because the change is theirs in one way or another."""
    excluded, out = facts.terms.approvals.exclude, set[int]()
    if "author" in excluded and isinstance(facts.author_id, int):
        out.add(facts.author_id)
    if "committers" in excluded and not isinstance(facts.hands, Unknown):
        out |= facts.hands
    asked = facts.agent is not None and facts.policy.agents.require.requester_counts
    if "requester" in excluded and not asked:
        out |= facts.requesters
    if "last_pusher" in excluded and facts.pusher_id is not None:
        out.add(facts.pusher_id)
    return frozenset(out)


def undisputed(facts: Facts) -> Objection | None:
    """Nobody asks for changes.

    Nobody who may write here and has not taken it back."""
    if isinstance(facts.reviews, Unknown):
        return _unread(facts.reviews)
    for review in facts.reviews:
        serious = isinstance(review.role, Unknown) or review.role >= Role.WRITE
        if review.person and review.state == "CHANGES_REQUESTED" and serious:
            words = f"{review.login} asked for changes."
            ask = "Get a new review from them, or dismiss the old one."
            return Objection(
                "changes", "changes_requested", words, "changes requested", "no open request", ask, "person"
            )
    return None
