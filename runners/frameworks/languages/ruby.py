"""Ruby: Rails, Hanami, Sinatra, any config.ru, or a script that serves."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree

FRAMEWORKS = (("rails", "rails"), ("hanami", "hanami"), ("sinatra", "sinatra"), ("roda", "roda"), ("grape", "grape"))
_PORTS: Mapping[str | None, int] = {"rails": 3000, "hanami": 2300, "sinatra": 4567}
_GEM = re.compile(r"""^[ \t]*gem[ \t]{0,20}\(?[ \t]{0,20}["']([\w.-]+)["']""", re.MULTILINE)
_VERSION = re.compile(r"""^[ \t]*ruby[ \t]{0,20}\(?[ \t]{0,20}["'](?:[~>=^ ]*)(\d+(?:\.\d+){0,2})""", re.MULTILINE)
_LOCKED = re.compile(r"^RUBY VERSION\s+ruby (\d+\.\d+\.\d+)", re.MULTILINE)
_SERVES = re.compile(r"WEBrick|TCPServer|Sinatra|Rack::Handler|Rackup::Handler|Roda|Puma::Server")
_SCRIPTS = ("app.rb", "main.rb", "server.rb", "web.rb", "index.rb", "config/app.rb", "lib/app.rb", "src/main.rb")
_TOOLS = frozenset({"jekyll", "middleman", "github-pages", "fastlane", "cocoapods"})  # no program of the project itself

_UP = re.compile(r"""["']/?up["']""")  # the page of Rails that says it is well

BUNDLE = ("bundle install",)
_ENVS: Mapping[str | None, Mapping[str, str]] = {
    "rails": {"RAILS_ENV": "production", "RAILS_SERVE_STATIC_FILES": "1", "RAILS_LOG_TO_STDOUT": "1"},
    "hanami": {"HANAMI_ENV": "production", "HANAMI_SERVE_ASSETS": "true", "RACK_ENV": "production"},
}
_ENV = {"RACK_ENV": "production", "APP_ENV": "production"}
_STARTS: Mapping[str | None, tuple[str, str]] = {  # what it does not start without, and its own server
    "rails": ("SECRET_KEY_BASE", "rails server -b $HOST -p $PORT"),
    "hanami": ("SESSION_SECRET", "hanami server --host=$HOST --port=$PORT"),
}
ENV = {"BUNDLE_PATH": "vendor/bundle", "BUNDLE_WITHOUT": "development:test", "LANG": "C.UTF-8"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Project:
    """What its files say of it."""

    tree: Tree
    gems: frozenset[str]
    script: str | None  # what would be run where there is no config.ru
    bundled: bool
    racked: bool

    @classmethod
    def read(cls, tree: Tree) -> _Project:
        gems = frozenset(_GEM.findall(tree.text("Gemfile")))
        return cls(tree, gems, _script(tree), tree.has("Gemfile"), tree.has("config.ru"))

    @property
    def runs(self) -> bool:
        """There is something to start, or it will be made from its gems."""
        return self.racked or self.script is not None or (self.bundled and self.gems.isdisjoint(_TOOLS))

    @property
    def text(self) -> str:
        """Of the script."""
        return self.tree.text(self.script or "")

    @property
    def framework(self) -> str | None:
        return clues.framework(FRAMEWORKS, self.gems) or ("sinatra" if "Sinatra" in self.text else None)

    @property
    def env(self) -> Mapping[str, str]:
        own = _ENVS.get(self.framework, _ENV)
        return {**ENV, **own} if self.bundled else own


def detect(tree: Tree) -> Plan | None:
    project = _Project.read(tree)
    return _plan(project) if project.runs else None


def _plan(project: _Project) -> Plan:
    tree, framework, script = project.tree, project.framework, project.script
    return Plan(
        language="ruby",
        kind="server" if framework or project.racked or _SERVES.search(project.text) else "cli",
        framework=framework,
        package_manager="bundler" if project.bundled else None,
        entry=tree.first("config.ru") if framework == "rails" or script is None else script,
        port=clues.port_in(project.text, _PORTS.get(framework, 9292 if project.racked else 8080)),
        version=version(tree),
        manifests=tree.there("Gemfile", "Gemfile.lock"),
        install=BUNDLE if project.bundled else (),
        build=_build(tree, framework),
        start=_start(project),
        prepare=_prepare(tree, framework),
        env=project.env,
        health="/up" if _UP.search(tree.text("config/routes.rb")) else "/",
        system_packages=("nodejs", "npm") if framework == "rails" and tree.has("package.json") else (),
        why=_why(project),
    )


def _why(project: _Project) -> dict[str, str]:
    first = project.tree.first("Gemfile", "config.ru") or project.script
    named, framework = "Gemfile" if project.bundled else project.script, project.framework
    return clues.evidence(language=f"{first} is there", framework=framework and f"{named} names {framework}")


def version(tree: Tree) -> str | None:
    """Of Ruby, as the project asks for it."""
    told = clues.version_file(tree, ".ruby-version") or clues.version_tool(tree, "ruby")
    found = _VERSION.search(tree.text("Gemfile")) or _LOCKED.search(tree.text("Gemfile.lock"))
    return told or (found.group(1) if found else None)


def _script(tree: Tree) -> str | None:
    there = [name for name in _SCRIPTS if tree.has(name)]
    return next((name for name in there if _SERVES.search(tree.text(name))), there[0] if there else None)


def _start(project: _Project) -> str | None:
    bundled, framework = "bundle exec " if project.bundled else "", project.framework
    if framework in _STARTS:
        secret, line = _STARTS[framework]
        return f"export {clues.made_up(secret)} && {bundled}{line}"
    if project.racked and "puma" in project.gems:
        return f"{bundled}puma -b tcp://$HOST:$PORT"
    if project.racked:
        return f"{bundled}rackup --host $HOST --port $PORT"
    if project.script is None:
        return None
    return f"{bundled}ruby {project.script}" + (" -o $HOST -p $PORT" if framework == "sinatra" else "")


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
