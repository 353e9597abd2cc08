"""Rules about the pull request: is this what people saw, and is it ready?"""

from __future__ import annotations

from bot.policy.facts import Facts, Unknown
from bot.policy.objection import Objection, unknown


def state(facts: Facts) -> Objection | None:
    """It is open, or was merged as it was shown."""
    if isinstance(facts.state, Unknown):
        return unknown("state", "pull_unknown", "whether this pull request is open", "open or merged", facts.state)
    if facts.state == "closed":
        words = "This pull request was closed without being merged."
        return Objection(
            "state", "closed", words, "closed", "open or merged", "Reopen it, or open a new one.", "person"
        )
    return _merged(facts) if facts.state == "merged" else None


def _merged(facts: Facts) -> Objection | None:
    required = "the tree that was previewed"
    if isinstance(facts.merged_same, Unknown) or facts.merged_same is None:
        why = facts.merged_same or Unknown("nothing was compared")
        return unknown("merge", "merge_unknown", "whether the merge is what was previewed", required, why)
    if facts.merged_same:
        return None
    words = "What was merged is not what was previewed: the base had changed meanwhile. So it is built and shown first."
    wait = "Wait until my comment shows it, then promote that."
    again = f"/promote {facts.environment} {facts.merge_sha[:7]}" if facts.merge_sha else wait
    return Objection("merge", "merge_differs", words, "another tree", required, again)


def ready(facts: Facts) -> Objection | None:
    """It is not a draft."""
    if isinstance(facts.draft, Unknown):
        return unknown("draft", "pull_unknown", "whether this is a draft", "ready for review", facts.draft)
    if not facts.draft:
        return None
    words, again = "This pull request is a draft.", "Mark it as ready for review."
    return Objection("draft", "draft", words, "draft", "ready for review", again, "person", "draft")


def own_branch(facts: Facts) -> Objection | None:
    """It comes from a branch of this repository.

    What was built from a fork was built for a fork; what was merged was built again here."""
    required = "a branch of this repository"
    if isinstance(facts.fork, Unknown):
        return unknown("fork", "pull_unknown", "where this pull request comes from", required, facts.fork)
    if not facts.fork or _merge_shown(facts):
        return None
    words = "This comes from a fork; what was built from it never goes to production."
    again = "Push the same commits to a branch of this repository and open a pull request from there."
    return Objection("fork", "fork", words, "a fork", required, again, "person", "fork")


def displayed(facts: Facts) -> Objection | None:
    """It was shown.

    What people saw is what ships."""
    required = "a live preview in my comment when the command was written"
    if isinstance(facts.displayed_sha, Unknown):
        return unknown("displayed", "display_unknown", "what my comment showed", required, facts.displayed_sha)
    if facts.displayed_sha is not None:
        return None
    words = "No live preview was shown in my comment when the command was written."
    again = "Wait until my comment shows the preview as live, look at it, then write the command again."
    return Objection("displayed", "not_displayed", words, "nothing", required, again)


def head_still(facts: Facts) -> Objection | None:
    """Nothing was pushed since.

    A commit that nobody saw never rides along."""
    head, shown = facts.head_sha, facts.displayed_sha
    if isinstance(head, Unknown):
        return unknown("head", "head_unknown", "which commit is the head now", "the commit that was shown", head)
    if not isinstance(shown, str) or head == shown or _merge_shown(facts):
        return None
    words = f"The head moved: my comment showed {shown[:7]}, the pull request is at {head[:7]} now."
    again = f"/promote {facts.environment} {head[:7]}"
    return Objection("head", "head_moved", words, head[:7], shown[:7], again)


def _merge_shown(facts: Facts) -> bool:
    """Whether people saw the very commit that was merged."""
    return facts.state == "merged" and facts.merge_sha is not None and facts.displayed_sha == facts.merge_sha


def previewed(facts: Facts) -> Objection | None:
    """The preview of the head answers.

    The gate asks this, before anybody saw it."""
    required = "live"
    match facts.preview:
        case Unknown() as why:
            return unknown("preview", "preview_unknown", "how the preview of the head is", required, why)
        case "live":
            return None
        case "working":
            words, wait = "The preview of the head is being built.", "Wait for it."
            return Objection("preview", "preview_pending", words, "being built", required, wait, "time")
        case "failed":
            words, fix = "The preview of the head failed.", "See slipway/preview, fix it and push."
            return Objection("preview", "preview_failed", words, "failed", required, fix)
        case "refused":
            words, ask = "The head was not run.", "See my comment: it says why, and who can help."
            return Objection("preview", "preview_refused", words, "not run", required, ask, "person")
    words, again = "The preview of the head is gone.", "/preview"
    return Objection("preview", "preview_gone", words, "gone", required, again, "person")
