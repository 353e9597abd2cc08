"""The books for others: JSON lines, and an in-toto statement for each verdict on an artifact."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from bot.audit.chain import Row

STATEMENT = "https://in-toto.io/Statement/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"


def as_json(row: Row) -> dict[str, Any]:
    """A line with its entry unfolded.  Written again in canonical form, the entry is what the digest covers."""
    return {"seq": row.seq, "prev": row.prev, "entry": json.loads(row.payload), "digest": row.digest}


def statement(row: Row, verifier: str, resource: Callable[[int | None, str], str]) -> dict[str, Any] | None:
    """What policy said of an artifact, as an in-toto Statement v1 with SLSA's verification summary.

    None: the line tells of no verdict.  `verifier` is our address, `resource` gives one to (project, environment)."""
    said = json.loads(row.payload)
    artifact, verdict = said.get("artifact"), said.get("verdict")
    if not artifact or not verdict:
        return None
    passed = all(one["allowed"] for one in verdict)
    kind, _, digest = artifact.rpartition(":")
    environment = said.get("environment", "production")
    policy: dict[str, Any] = {"uri": f"{verifier}/policy/{environment}"}
    if said.get("policy"):
        policy["digest"] = {"sha256": said["policy"].removeprefix("sha256:")}
    subject: dict[str, Any] = {"name": artifact, "digest": {kind or "sha256": digest}}
    return {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": SUMMARY,
        "predicate": {
            "verifier": {"id": verifier},
            "timeVerified": _written(said["at"]),
            "resourceUri": resource(said.get("project"), environment),
            "policy": policy,
            "inputAttestations": [{"uri": f"{verifier}/audit/{row.seq}", "digest": {"sha256": row.digest}}],
            "verificationResult": "PASSED" if passed else "FAILED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_0" if passed else "FAILED"],  # no claim about the build
            "slsaVersion": "1.0",
        },
    }


def _written(microseconds: int) -> str:
    at = dt.datetime.fromtimestamp(microseconds // 1_000_000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"
