"""PHP: Laravel, Symfony, Slim and others by composer.json, or pages as they lie there.

What answers is PHP's own server, with several workers: the base image has no other."""

from __future__ import annotations

import re
import shlex

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


def detect(tree: Tree) -> Plan | None:
    manifest = tree.json("composer.json")
    front = _front(tree)
    if front is None and not (tree.has("composer.json") and tree.has("artisan")):
        return None
    asked = manifest.get("require")
    requires = asked if isinstance(asked, dict) else {}
    framework = next((name for package, name in FRAMEWORKS if package in requires), None)
    if framework is None and tree.has("wp-login.php"):
        framework = "wordpress"
    named = "composer.json" if tree.has("composer.json") else front
    why = {"language": f"{named} is there"}
    if framework:
        why["framework"] = (
            f"{'wp-login.php is there' if framework == 'wordpress' else f'composer.json names {framework}'}"
        )
    composed = tree.has("composer.json")
    build = clues.with_pages(tree, None)
    return Plan(
        language="php",
        kind="server",
        framework=framework,
        package_manager="composer" if composed else None,
        entry=front,
        port=8000,
        version=_version(tree, requires.get("php")),
        manifests=tuple(name for name in ("composer.json", "composer.lock") if tree.has(name)),
        install=(_INSTALL,) if composed else (),
        build=build,
        start=_start(framework, front),
        prepare=_prepare(tree, framework),
        env={"PHP_CLI_SERVER_WORKERS": "4", **_env(framework)},
        system_packages=(*(_TOOLS if composed else ()), *(("nodejs", "npm") if build else ())),
        why=why,
    )


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
    told = ""
    if framework in ("laravel", "lumen"):
        told = f"export {clues.made_up('APP_KEY', 'base64:')} && "
    elif framework == "symfony":
        told = f"export {clues.made_up('APP_SECRET')} && "
    lone = f" {shlex.quote(front)}" if front and front.rpartition("/")[2] != "index.php" else ""
    return f"{told}php -S $HOST:$PORT -t {shlex.quote(folder)}{lone}"


def _prepare(tree: Tree, framework: str | None) -> str | None:
    if framework == "laravel" and any(name.startswith("database/migrations/") for name in tree.files):
        return "php artisan migrate --force"
    if framework == "symfony" and any(name.startswith("migrations/") for name in tree.files):
        return "php bin/console doctrine:migrations:migrate --no-interaction"
    return None


def _env(framework: str | None) -> dict[str, str]:
    if framework in ("laravel", "lumen"):
        kept = {"SESSION_DRIVER": "file", "CACHE_STORE": "file", "CACHE_DRIVER": "file"}
        return {"APP_ENV": "production", "LOG_CHANNEL": "stderr", **kept}
    return {"APP_ENV": "prod", "APP_DEBUG": "0"} if framework == "symfony" else {}


def _version(tree: Tree, constraint: object) -> str | None:
    """Of `^7.4 || ^8.1` the last; `>=7.2` is content with the newest, so it says nothing."""
    told = clues.version_file(tree, ".php-version") or clues.version_tool(tree, "php")
    if told or not isinstance(constraint, str):
        return told
    last = re.split(r"\|\|?", constraint)[-1].strip()
    found = re.match(r"[\^~=v ]*(\d+\.\d+)", last)
    return found.group(1) if found else None
