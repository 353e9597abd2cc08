"""PHP: Laravel, Symfony, Slim and others by composer.json, or pages as they lie there.

What answers is PHP's own server, with several workers: the base image has no other."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Mapping
from typing import Any

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree, folder_of

FRAMEWORKS = (
    ("laravel/framework", "laravel"),
    ("laravel/lumen-framework", "lumen"),
    ("symfony/framework-bundle", "symfony"),
    ("slim/slim", "slim"),
    ("cakephp/cakephp", "cakephp"),
    ("codeigniter4/framework", "codeigniter"),
    ("yiisoft/yii2", "yii"),
)
_FRONTS = ("public/index.php", "web/index.php", "webroot/index.php", "www/index.php", "htdocs/index.php", "index.php")
_INSTALL = "composer install --no-dev --no-interaction --prefer-dist --optimize-autoloader --ignore-platform-req=ext-*"
_TOOLS = ("composer", "git", "unzip")
_KEYS: Mapping[str | None, tuple[str, str]] = {  # what it does not start without, and what stands before its letters
    "laravel": ("APP_KEY", "base64:"),
    "lumen": ("APP_KEY", "base64:"),
    "symfony": ("APP_SECRET", ""),
}
_LARAVEL = {
    "APP_ENV": "production",
    "LOG_CHANNEL": "stderr",
    "SESSION_DRIVER": "file",
    "CACHE_STORE": "file",
    "CACHE_DRIVER": "file",
}
_ENVS: Mapping[str | None, Mapping[str, str]] = {
    "laravel": _LARAVEL,
    "lumen": _LARAVEL,
    "symfony": {"APP_ENV": "prod", "APP_DEBUG": "0"},
}
_MIGRATES: Mapping[str | None, tuple[str, str]] = {  # the folder of what changes a database, and what does it
    "laravel": ("database/migrations/", "php artisan migrate --force"),
    "symfony": ("migrations/", "php bin/console doctrine:migrations:migrate --no-interaction"),
}


def detect(tree: Tree) -> Plan | None:
    front, composed = _front(tree), tree.has("composer.json")
    if front is None and not (composed and tree.has("artisan")):
        return None
    requires = _requires(tree)
    framework, said = _framework(tree, requires)
    build = clues.with_pages(tree, None)
    return Plan(
        language="php",
        kind="server",
        framework=framework,
        package_manager="composer" if composed else None,
        entry=front,
        port=8000,
        version=_version(tree, requires.get("php")),
        manifests=tree.there("composer.json", "composer.lock"),
        install=(_INSTALL,) if composed else (),
        build=build,
        start=_start(framework, front),
        prepare=_prepare(tree, framework),
        env={"PHP_CLI_SERVER_WORKERS": "4", **_ENVS.get(framework, {})},
        system_packages=(*(_TOOLS if composed else ()), *(("nodejs", "npm") if build else ())),
        why=clues.evidence(language=f"{'composer.json' if composed else front} is there", framework=said),
    )


def _requires(tree: Tree) -> Mapping[str, Any]:
    asked = tree.json("composer.json").get("require")
    return asked if isinstance(asked, dict) else {}


def _framework(tree: Tree, requires: Container[str]) -> tuple[str | None, str | None]:
    """Its name, and what says so."""
    asked = clues.framework(FRAMEWORKS, requires)
    if asked:
        return asked, f"composer.json names {asked}"
    return ("wordpress", "wp-login.php is there") if tree.has("wp-login.php") else (None, None)


def _front(tree: Tree) -> str | None:
    """The page that answers; without a composer.json also the only PHP pages there are."""
    front = tree.first(*_FRONTS)
    if front:
        return front
    if tree.first("composer.json", "package.json"):
        return None
    pages = clues.sources(tree, ".php", depth=1)
    index = (name for name in pages if name.rpartition("/")[2] in ("index.php", "main.php"))
    return next(index, None) or next((name for name in pages if "/" not in name), None)


def _start(framework: str | None, front: str | None) -> str:
    folder = folder_of(front or "public/index.php") or "."
    told = f"export {clues.made_up(*_KEYS[framework])} && " if framework in _KEYS else ""
    lone = f" {shlex.quote(front)}" if front and front.rpartition("/")[2] != "index.php" else ""
    return f"{told}php -S $HOST:$PORT -t {shlex.quote(folder)}{lone}"


def _prepare(tree: Tree, framework: str | None) -> str | None:
    folder, line = _MIGRATES.get(framework, ("", ""))
    return line if folder and any(name.startswith(folder) for name in tree.files) else None


def _version(tree: Tree, constraint: object) -> str | None:
    """Of `^7.4 || ^8.1` the last; `>=7.2` is content with the newest, so it says nothing."""
    told = clues.version_file(tree, ".php-version") or clues.version_tool(tree, "php")
    if told or not isinstance(constraint, str):
        return told
    last = re.split(r"\|\|?", constraint)[-1].strip()
    found = re.match(r"[\^~=v ]*(\d+\.\d+)", last)
    return found.group(1) if found else None
