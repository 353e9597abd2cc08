"""Generators of sites that are no Node packages: what they make is served.  Their own preview servers never are."""

from __future__ import annotations

import dataclasses
import re

from runners.base import Plan
from runners.frameworks import python
from runners.frameworks.languages import clues, ruby
from runners.frameworks.tree import Tree

FRAMEWORKS = tuple((name, name) for name in ("hugo", "zola", "mdbook", "jekyll", "middleman", "mkdocs", "sphinx"))
_HUGO = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config/_default/hugo.toml", "config/_default/config.toml")
_OLD_HUGO = ("config.toml", "config.yaml", "config.yml", "config.json")
_HUGO_FOLDERS = frozenset({"content", "archetypes", "layouts", "themes"})
_OUTPUT = re.compile(
    r"""^[ \t]*["']?(?:publishDir|output_dir|site_dir|destination|build-dir)["']?\s*[:=]\s*["']?([\w./-]+)""", re.M
)
_HUGO_VERSION = re.compile(r"""HUGO_VERSION["']?\s*[:=]\s*["']?(\d+(?:\.\d+){1,2})""")
_GEMS = "GEM_HOME=$PWD/vendor/gems"


def detect(tree: Tree) -> Plan | None:
    """What only such a generator has, before any language."""
    return _zola(tree) or _hugo(tree) or _mdbook(tree) or _jekyll(tree) or _middleman(tree)


def docs(tree: Tree) -> Plan | None:
    """Documentation that may lie beside a program, so it comes after all of them."""
    return _mkdocs(tree) or _sphinx(tree)


def _zola(tree: Tree) -> Plan | None:
    text = tree.text("config.toml")
    if "base_url" not in text or not {"content", "templates", "themes"} & set(tree.folders):
        return None
    return _site("zola", "static", "config.toml", _output(text, "public"), "zola build --base-url /")


def _hugo(tree: Tree) -> Plan | None:
    config = tree.first(*_HUGO)
    if config is None:
        old = tree.first(*_OLD_HUGO)
        if (
            old is None
            or not _HUGO_FOLDERS & set(tree.folders)
            or not re.search(r"(?i)baseurl|theme|title", tree.text(old))
        ):
            return None
        if tree.has("package.json") and "archetypes" not in tree.folders and "baseurl" not in tree.text(old).lower():
            return None
        config = old
    found = _HUGO_VERSION.search(tree.text("netlify.toml"))
    version = found.group(1) if found else clues.version_tool(tree, "hugo", "gohugo")
    install = ("npm install --no-audit --no-fund",) if tree.has("package.json") else ()
    out = _output(tree.text(config), "public")
    return _site("hugo", "static", config, out, "hugo --minify --baseURL /", version=version, install=install)


def _mdbook(tree: Tree) -> Plan | None:
    if not tree.has("book.toml") or tree.has("Cargo.toml"):
        return None
    return _site("mdbook", "static", "book.toml", _output(tree.text("book.toml"), "book"), "mdbook build")


def _jekyll(tree: Tree) -> Plan | None:
    config = tree.first("_config.yml", "_config.yaml", "_config.toml")
    named = re.search(r"""["'](?:jekyll|github-pages)["']""", tree.text("Gemfile"))
    if not named and not (config and {"_posts", "_layouts", "_includes", "_data"} & set(tree.folders)):
        return None
    if config and tree.has("package.json") and not named and '"hexo"' in tree.text("package.json"):
        return None
    out = _output(tree.text(config or ""), "_site")
    evidence = config or "Gemfile"
    if named:
        plan = _site("jekyll", "ruby", evidence, out, "bundle exec jekyll build", version=ruby.version(tree))
        return _bundled(tree, plan)
    install = (f"{_GEMS} gem install --no-document jekyll",)
    build = f"{_GEMS} $PWD/vendor/gems/bin/jekyll build"
    return _site("jekyll", "ruby", evidence, out, build, version=ruby.version(tree), install=install)


def _middleman(tree: Tree) -> Plan | None:
    if not re.search(r"""["']middleman["']""", tree.text("Gemfile")) or "source" not in tree.folders:
        return None
    plan = _site("middleman", "ruby", "Gemfile", "build", "bundle exec middleman build", version=ruby.version(tree))
    return _bundled(tree, plan)


def _bundled(tree: Tree, plan: Plan) -> Plan:
    env = {"BUNDLE_PATH": "vendor/bundle", "LANG": "C.UTF-8", "JEKYLL_ENV": "production"}
    manifests = tree.there("Gemfile", "Gemfile.lock")
    return dataclasses.replace(plan, package_manager="bundler", install=ruby.BUNDLE, env=env, manifests=manifests)


def _mkdocs(tree: Tree) -> Plan | None:
    config = tree.first("mkdocs.yml", "mkdocs.yaml")
    if config is None:
        return None
    text = tree.text(config)
    needs = "mkdocs-material" if re.search(r"\bmaterial\b", text) else "mkdocs"
    plan = _site("mkdocs", "python", config, _output(text, "site"), "mkdocs build")
    return _pythonic(tree, plan, needs)


def _sphinx(tree: Tree) -> Plan | None:
    folders = ("", "docs/", "doc/", "source/", "docs/source/", "doc/source/")
    place = next((each for each in folders if tree.has(f"{each}conf.py") and _is_book(tree, each)), None)
    if place is None or tree.first("setup.py", "pyproject.toml", "setup.cfg"):
        return None
    build = f"sphinx-build -b html {place or '.'} _build/html"
    plan = _site("sphinx", "python", f"{place}conf.py", "_build/html", build)
    return _pythonic(tree, plan, "sphinx")


def _is_book(tree: Tree, place: str) -> bool:
    return tree.first(f"{place}index.rst", f"{place}index.md") is not None


def _pythonic(tree: Tree, plan: Plan, needs: str) -> Plan:
    """With what its manifests ask for, if there are any, and the generator itself."""
    installed = python.installed(tree, plan, needs=(needs,))
    extra = tree.first("docs/requirements.txt", "requirements-docs.txt", "requirements/docs.txt")
    if extra is None or extra in installed.manifests:
        return installed
    lines, manifests = (*installed.install, f"uv pip install -r {extra}"), (*installed.manifests, extra)
    return dataclasses.replace(installed, install=lines, manifests=manifests)


def _stays(folder: str) -> bool:
    """It leads nowhere out of the project."""
    return not folder.startswith("/") and ".." not in folder


def _output(config: str, otherwise: str) -> str:
    found = _OUTPUT.search(config)
    return found.group(1) if found and _stays(found.group(1)) else otherwise


def _site(
    name: str,
    language: str,
    evidence: str,
    output: str,
    build: str,
    *,
    version: str | None = None,
    install: tuple[str, ...] = (),
) -> Plan:
    why = {"framework": f"{evidence} is {name}'s", "static_dir": f"{name} writes its pages there"}
    return Plan(
        language=language,
        kind="static",
        framework=name,
        static_dir=output,
        version=version,
        install=install,
        build=build,
        why={"language": f"{evidence} is there", **why},
    )
