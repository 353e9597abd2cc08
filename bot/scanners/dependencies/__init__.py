"""What a project depends on: read from its files, asked of the registries and of the public advisories."""

from __future__ import annotations

from bot.scanners.dependencies.cyclonedx import listed, sbom
from bot.scanners.dependencies.dependency import Advisories, Advisory, Dependency, Ecosystem
from bot.scanners.dependencies.indexes import Indexes
from bot.scanners.dependencies.judging import examine
from bot.scanners.dependencies.later import Late, later
from bot.scanners.dependencies.reading import MANIFESTS, read
from bot.scanners.dependencies.registries import Registries, Standing, Unanswered
from bot.scanners.dependencies.slips import near

__all__ = [
    "MANIFESTS",
    "Advisories",
    "Advisory",
    "Dependency",
    "Ecosystem",
    "Indexes",
    "Late",
    "Registries",
    "Standing",
    "Unanswered",
    "examine",
    "later",
    "listed",
    "near",
    "read",
    "sbom",
]
