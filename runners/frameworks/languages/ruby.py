"""Ruby: Rails, Hanami, Sinatra, any config.ru, or a script that serves."""

from __future__ import annotations

import re

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree

FRAMEWORKS = (("rails", "rails"), ("hanami", "hanami"), ("sinatra", "sinatra"), ("roda", "roda"), ("grape", "grape"))
_PORTS = {"rails": 3000, "hanami": 2300, "sinatra": 4567}
_GEM = re.compile(r"""^[ \t]*gem[ \t]{0,20}\(?[ \t]{0,20}["']([\w.-]+)["']""", re.MULTILINE)
_VERSION = re.compile(r"""^[ \t]*ruby[ \t]{0,20}\(?[ \t]{0,20}["'](?:[~>=^ ]*)(\d+(?:\.\d+){0,2})""", re.MULTILINE)
_LOCKED = re.compile(r"^RUBY VERSION\s+ruby (\d+\.\d+\.\d+)", re.MULTILINE)
_SERVES = re.compile(r"WEBrick|TCPServer|Sinatra|Rack::Handler|Rackup::Handler|Roda|Puma::Server")
_SCRIPTS = ("app.rb", "main.rb", "server.rb", "web.rb", "index.rb", "config/app.rb", "lib/app.rb", "src/main.rb")
_TOOLS = frozenset({"jekyll", "middleman", "github-pages", "fastlane", "cocoapods"})  # no program of the project itself

_UP = re.compile(r"""["']/?up["']""")  # the page of Rails that says it is well

BUNDLE = ("bundle install",)
ENV = {"BUNDLE_PATH": "vendor/bundle", "BUNDLE_WITHOUT": "development:test", "LANG": "C.UTF-8"}


def detect(tree: Tree) -> Plan | None:
    gems = frozenset(_GEM.findall(tree.text("Gemfile")))
    script = _script(tree)
    runs = tree.has("config.ru") or script is not None
    if not runs and (not tree.has("Gemfile") or not gems.isdisjoint(_TOOLS)):
        return None
    return _plan(tree, gems, script)


def _plan(tree: Tree, gems: frozenset[str], script: str | None) -> Plan:
    bundled = tree.has("Gemfile")
    framework = next((name for gem, name in FRAMEWORKS if gem in gems), None)
    if framework is None and "Sinatra" in tree.text(script or ""):
        framework = "sinatra"
    start = _start(tree, gems, framework, script)
    entry = tree.first("config.ru") if framework == "rails" or script is None else script
    serves = framework or tree.has("config.ru") or _SERVES.search(tree.text(script or ""))
    why = {"language": f"{tree.first('Gemfile', 'config.ru') or script} is there"}
    if framework:
        why["framework"] = f"{'Gemfile' if bundled else script} names {framework}"
    usual = _PORTS.get(framework or "", 9292 if tree.has("config.ru") else 8080)
    return Plan(
        language="ruby",
        kind="server" if serves else "cli",
        framework=framework,
        package_manager="bundler" if bundled else None,
        entry=entry,
        port=clues.port_in(tree.text(script or ""), usual),
        version=version(tree),
        manifests=tuple(name for name in ("Gemfile", "Gemfile.lock") if tree.has(name)),
        install=BUNDLE if bundled else (),
        build=_build(tree, framework),
        start=start,
        prepare=_prepare(tree, framework),
        env={**ENV, **_env(framework)} if bundled else _env(framework),
        health="/up" if _UP.search(tree.text("config/routes.rb")) else "/",
        system_packages=("nodejs", "npm") if framework == "rails" and tree.has("package.json") else (),
        why=why,
    )


def version(tree: Tree) -> str | None:
    """Of Ruby, as the project asks for it."""
    told = clues.version_file(tree, ".ruby-version") or clues.version_tool(tree, "ruby")
    found = _VERSION.search(tree.text("Gemfile")) or _LOCKED.search(tree.text("Gemfile.lock"))
    return told or (found.group(1) if found else None)


def _script(tree: Tree) -> str | None:
    there = [name for name in _SCRIPTS if tree.has(name)]
    return next((name for name in there if _SERVES.search(tree.text(name))), there[0] if there else None)


def _start(tree: Tree, gems: frozenset[str], framework: str | None, script: str | None) -> str | None:
    bundled = "bundle exec " if tree.has("Gemfile") else ""
    if framework == "rails":
        return f"export {clues.made_up('SECRET_KEY_BASE')} && {bundled}rails server -b $HOST -p $PORT"
    if framework == "hanami":
        return f"export {clues.made_up('SESSION_SECRET')} && {bundled}hanami server --host=$HOST --port=$PORT"
    if tree.has("config.ru"):
        if "puma" in gems:
            return f"{bundled}puma -b tcp://$HOST:$PORT"
        return f"{bundled}rackup --host $HOST --port $PORT"
    if script is None:
        return None
    return f"{bundled}ruby {script} -o $HOST -p $PORT" if framework == "sinatra" else f"{bundled}ruby {script}"


def _build(tree: Tree, framework: str | None) -> str | None:
    if framework != "rails" or not (tree.has("config/application.rb") and "app" in tree.folders):
        return None
    pages = clues.with_pages(tree, None)
    assets = "SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=none bundle exec rails assets:precompile"
    if not any(name.startswith(("app/assets/", "app/javascript/")) for name in tree.files):
        return pages
    return f"npm install --no-audit --no-fund && {assets}" if tree.has("package.json") else assets


def _prepare(tree: Tree, framework: str | None) -> str | None:
    if framework == "rails" and tree.has("config/database.yml"):
        return f"{clues.made_up('SECRET_KEY_BASE')} bundle exec rails db:prepare"
    return None


def _env(framework: str | None) -> dict[str, str]:
    if framework == "rails":
        return {"RAILS_ENV": "production", "RAILS_SERVE_STATIC_FILES": "1", "RAILS_LOG_TO_STDOUT": "1"}
    if framework == "hanami":
        return {"HANAMI_ENV": "production", "HANAMI_SERVE_ASSETS": "true", "RACK_ENV": "production"}
    return {"RACK_ENV": "production", "APP_ENV": "production"}
