"""What a machine reads of a failure or a refusal.  Pure: a row in, JSON values out."""

from __future__ import annotations

from typing import Any

from bot.models import Deployment

LOG_LINES, LOG_MOST = 20, 2000  # lines and characters of the log's end
_ERROR = ("step", "class", "message", "hint", "path", "line", "rule", "actual", "required")


def error(deployment: Deployment, log: str) -> dict[str, Any] | None:
    """What went wrong, and the log's end where it failed; what the app printed is not to be trusted."""
    failure = deployment.failure
    if not failure:
        return None
    told = {name: failure.get(name) for name in _ERROR}
    tail = "\n".join((log or str(failure.get("log") or "")).splitlines()[-LOG_LINES:])[-LOG_MOST:]
    if tail and deployment.state.value == "failed":
        told |= {"log": tail, "log_trusted": False}
    return told


def limits(deployment: Deployment) -> dict[str, Any] | None:
    """How the agent that wrote it stands: which attempt this is, and what is left of its rate."""
    return deployment.limits


def again(deployment: Deployment) -> dict[str, Any]:
    """When it is tried again by itself: Unix seconds, and seconds since it was refused."""
    at = (deployment.failure or {}).get("retry_at")
    if at is None:
        return {}
    return {"retry_at": round(at), "retry_after": max(0, round(at - (deployment.ended_at or at)))}
