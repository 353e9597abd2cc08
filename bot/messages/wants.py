"""What a project reads from its environment and nobody has set: said in the comment, with how to set it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bot.messages import code

MOST = 12  # names in the comment; the twin has all


def wanted(plan: Mapping[str, Any]) -> list[str]:
    """The variables that a plan (`Plan.as_json`) and its parts want, by name."""
    parts = plan.get("parts") or ()
    return sorted({*(plan.get("wants") or ()), *(name for part in parts for name in wanted(part))})


def unset(plan: Mapping[str, Any], given: Collection[str]) -> list[str]:
    """Those of them that previews are not given."""
    return [name for name in wanted(plan) if name not in given]


def line(names: list[str], project: str, *, fork: bool) -> str:
    """One paragraph of Markdown; nothing when nothing is missing."""
    if not names:
        return ""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    told = ", ".join(code(name) for name in names[:MOST])
    if fork:
        return f"🔑 It reads {told}{more}. Previews of forks are given no values."
    how = code(f"slipway secret set --project {project} --env preview {names[0]}")
    return (
        f"🔑 Wants, not set: {told}{more}. Whoever runs this Slipway sets values that only previews see: "
        f"{how} reads one from standard input; then `/redeploy`."
    )
