"""What became known after a scan: the list of what was built is looked up again, and what the scan said is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bot.scanners.dependencies.dependency import Advisories, Advisory, Dependency, normal
from bot.scanners.dependencies.judging import ECOSYSTEMS, fingerprint, matched, named_versions
from bot.scanners.findings import Finding, Report


@dataclasses.dataclass(frozen=True, slots=True)
class Late:
    """One advisory against one package that the scan did not tell of.

    `since`: it became known after the scan, or it is malware, which is never too old to matter.  Otherwise it was known
    before and is in something that the change did not bring: told, and held against nobody, as by the scan itself."""

    finding: Finding
    since: bool


async def later(listed: Sequence[Dependency], report: Report, at: float, advisories: Advisories) -> list[Late]:
    """What is known now of everything that is `listed` and was scanned at `at`, the gravest first.

    Raises what `advisories` does: half an answer is none."""
    found: dict[str, Late] = {}
    for ecosystem in ECOSYSTEMS:
        packages = named_versions(listed, ecosystem)
        for one in await advisories(ecosystem, packages) if packages else ():
            for finding in () if _told(one, report) else matched(one, listed):
                known = found.get(finding.fingerprint)  # one advisory has several ranges
                found[finding.fingerprint] = Late(finding, _since(one, at) or (known is not None and known.since))
    return sorted(found.values(), key=lambda one: (-one.finding.score, one.finding.rule, one.finding.message))


def _since(one: Advisory, at: float) -> bool:
    return one.malware or one.known is None or one.known > at


def _told(one: Advisory, report: Report) -> bool:
    """Whether the scan has said so, of whichever file: then it was judged with it, or somebody has excused it."""
    name = normal(one.ecosystem, one.package) or ""
    here = (seen for seen in report.findings if seen.rule == one.id)
    return any(fingerprint(one.id, seen.path, one.ecosystem, name) == seen.fingerprint for seen in here)
