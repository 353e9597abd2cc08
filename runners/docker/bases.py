"""Which image a plan is built and run in: a table by what builds it, which settings override."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runners.base import Plan

# What the image is called, with room for a version, and the version when the project asks for none.  Full images
# where packages are often compiled at installation.
_OFFICIAL: Mapping[str, tuple[str, str]] = {
    "python": ("python:{}-slim", "3.13"),
    "node": ("node:{}-slim", "22"),
    "go": ("golang:{}", "1"),
    "rust": ("rust:{}", "1"),
    "ruby": ("ruby:{}", "3.4"),
    "php": ("php:{}-cli", "8.4"),
    "java": ("eclipse-temurin:{}-jdk", "21"),
    "maven": ("maven:3-eclipse-temurin-{}", "21"),
    "gradle": ("gradle:jdk{}", "21"),
    "dotnet": ("mcr.microsoft.com/dotnet/sdk:{}", "9.0"),
    "elixir": ("elixir:{}", "1.18"),
    "deno": ("denoland/deno:{}", "debian"),
    "bun": ("oven/bun:{}", "1"),
    "hugo": ("hugomods/hugo:{}", "exts"),
    "mdbook": ("peaceiris/mdbook:{}", "latest"),
    "gleam": ("ghcr.io/gleam-lang/gleam:v{}-erlang-alpine", "1.6.3"),
    "dart": ("dart:{}", "stable"),
    "flutter": ("ghcr.io/cirruslabs/flutter:{}", "stable"),
    "swift": ("swift:{}", "6.0"),
    "crystal": ("crystallang/crystal:{}", "latest"),
    "scala": ("sbtscala/scala-sbt:{}", "eclipse-temurin-21.0.5_11_1.10.5_3.5.2"),
    "clojure": ("clojure:{}", "temurin-21-lein"),
    "haskell": ("haskell:{}", "9"),
}
_WITHOUT_OWN = frozenset({"static", "procfile"})  # what the image of Python serves as well as any
_EXACT = frozenset({"hugo", "mdbook", "scala", "clojure", "dart", "crystal"})  # whose tags are no plain versions
_VERSION = re.compile(r"\d+(\.\d+){0,2}")


def name_of(plan: Plan, images: Mapping[str, str]) -> str | None:
    """The name of the image that a plan runs in, `images` being what settings say; None when there is none."""
    keys = _keys(plan)
    for one in keys:
        if one in images:
            return images[one]
    key = next((one for one in keys if one in _OFFICIAL), None)
    if key is None:
        return None
    template, version = _OFFICIAL[key]
    asked = plan.version if plan.version and _VERSION.fullmatch(plan.version) else None
    if asked and key not in _EXACT and plan.language not in _WITHOUT_OWN:
        version = f"debian-{asked}" if key == "deno" else asked
    return template.format(version)


def setting_of(plan: Plan) -> str:
    """The setting that names another image for such plans."""
    return f"SLIPWAY_IMAGE_{_keys(plan)[-1].upper()}"


def _keys(plan: Plan) -> list[str]:
    """What the image may be listed under, the closest first."""
    if plan.language == "java":
        return [*([plan.package_manager] if plan.package_manager else []), "java"]
    if plan.framework == "flutter" or (plan.language == "static" and plan.build and plan.framework):
        return [plan.framework]
    return ["python" if plan.language in _WITHOUT_OWN else plan.language]
