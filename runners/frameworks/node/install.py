"""Which package manager a project uses, and the lines that install with it where only node and npm are there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from runners.base import Plan
from runners.frameworks.node.package import Package

LOCKS = (
    ("bun", "bun.lock"),
    ("bun", "bun.lockb"),
    ("pnpm", "pnpm-lock.yaml"),
    ("yarn", "yarn.lock"),
    ("npm", "package-lock.json"),
    ("npm", "npm-shrinkwrap.json"),
)
_SIGNS = (
    ("pnpm", "pnpm-workspace.yaml"),
    ("pnpm", ".pnpmfile.cjs"),
    ("pnpm", "package.json5"),
    ("yarn", ".yarnrc.yml"),
    ("yarn", ".yarnrc"),
    ("bun", "bunfig.toml"),
)  # where there is no lock
TOOLS = "node_modules/.slipway"  # programs we add, out of the way of the project's own packages
_NPM = "--include=dev --no-audit --no-fund"
_PNPM_OF_LOCK = {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"}
_BESIDE = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", "bunfig.toml")
_SCHEMAS = ("prisma/schema.prisma", "schema.prisma")
_HOOKS = re.compile(r"husky|lefthook|simple-git-hooks|is-ci|patch-package --check|echo ")
_BUN = re.compile(r"(?<![\w@/.-])bunx?\s")
_LOCAL = ("file:", "link:", "portal:", "workspace:", "./", "../")


@dataclasses.dataclass(frozen=True, slots=True)
class Manager:
    name: str
    evidence: str
    call: str  # how to run it where only npm is there
    lock: str | None = None
    major: int | None = None


def manager(package: Package) -> Manager:
    """The packageManager field, then the lock, then engines; npm when nothing says otherwise."""
    name, evidence, version = _named(package)
    own = next((file for m, file in LOCKS if m == name and package.tree.has(file)), None)
    major = int(version.split(".")[0]) if version else None
    return Manager(name, evidence, _call(package, name, version, own), own, major)


def _named(package: Package) -> tuple[str, str, str]:
    """Its name, what says so, and the version that is asked for, or ""."""
    field = re.match(r"(npm|pnpm|yarn|bun)(?:@[^\d]*(\d+(?:\.\d+)*)?|$)", _field(package))
    if field:
        return field.group(1), f"package.json says packageManager {field.group(0)}", field.group(2) or ""
    for name, file in (*LOCKS, *_SIGNS):
        if package.tree.has(file):
            return name, f"{file} is there", ""
    if package.has("bun-types", "@types/bun") and _BUN.search(" ; ".join(package.scripts.values())):
        return "bun", "its scripts run bun", ""
    engines = package.raw.get("engines")
    for name in ("pnpm", "yarn", "bun"):
        if isinstance(engines, Mapping) and name in engines:
            return name, f"package.json's engines name {name}", ""
    return "npm", "package.json, and no lock", ""


def _field(package: Package) -> str:
    """What package.json says in so many words: `packageManager`, or `devEngines.packageManager`."""
    told = package.raw.get("packageManager")
    if isinstance(told, str):
        return told
    engines = package.raw.get("devEngines")
    told = engines.get("packageManager") if isinstance(engines, Mapping) else None
    told = told[0] if isinstance(told, list) and told else told
    return f"{told.get('name')}@{told.get('version') or ''}" if isinstance(told, Mapping) else ""


def _call(package: Package, name: str, version: str, lock: str | None) -> str:
    if name == "npm":
        return "npm"
    if name == "bun":
        return f"npx -y bun@{version or '1'}"
    if name == "pnpm":
        found = re.search(r"lockfileVersion:\s*['\"]?([\d.]+)", package.tree.text(lock)[:300]) if lock else None
        return f"npx -y pnpm@{version or _PNPM_OF_LOCK.get(found.group(1) if found else '', '9')}"
    if _berry(package, version, lock):
        return f"npx -y @yarnpkg/cli-dist@{version or '4'}"
    return f"npx -y yarn@{version or '1.22.22'}"


def _berry(package: Package, version: str, lock: str | None) -> bool:
    if version:
        return not version.startswith("1.")
    if not lock:
        return package.tree.has(".yarnrc.yml")
    return bool(lock) and "__metadata:" in package.tree.text(str(lock))[:400]


def line(package: Package, found: Manager) -> str:
    """Install as locked; when the lock is stale, as package.json says, and say so in the log."""
    stale = f"{{ echo '{found.lock} does not fit package.json: installing without it'; "
    calls = {
        "npm": (f"npm ci {_NPM}", f"npm install {_NPM}"),
        "pnpm": (f"{found.call} install --frozen-lockfile --prod=false",
                 f"{found.call} install --no-frozen-lockfile --prod=false"),
        "yarn": (f"{found.call} install --frozen-lockfile --production=false --non-interactive",
                 f"{found.call} install --production=false --non-interactive"),
        "bun": (f"{found.call} install --frozen-lockfile", f"{found.call} install"),
    }  # fmt: skip
    exact, loose = calls[found.name]
    if "cli-dist" in found.call:
        yarn = f"YARN_NODE_LINKER=node-modules YARN_IGNORE_PATH=1 YARN_ENABLE_TELEMETRY=0 {found.call} install"
        exact, loose = f"{yarn} --immutable", f"YARN_ENABLE_IMMUTABLE_INSTALLS=false {yarn}"
    return f"{exact} || {stale}{loose}; }}" if found.lock else loose


def run(package: Package, found: Manager, script: str) -> str:
    """Run one of its scripts; npm does that for every manager, unless the scripts call their own by name."""
    text = package.spelled(package.scripts[script])
    calls = rf"(?<![\w@/.-])(?:{found.name}|turbo|lerna|nx|run-s|npm-run-all2?)(?![\w@/.-])"
    if found.name != "npm" and re.search(calls, text):
        return f"{found.call} run {script}"
    return f"npm run {script}"


def apply(package: Package, plan: Plan, *, tools: tuple[str, ...] = ()) -> Plan:
    """Add the install step.  Without any dependency there is none."""
    found, in_tree = manager(package), needs_tree(package)
    asked, asked_by = version(package) or (None, None)
    why = {"package_manager": found.evidence, "install": in_tree, "version": asked_by}
    lines = tuple(_lines(package, found, tools))
    return dataclasses.replace(
        plan,
        package_manager=found.name,
        manifests=_manifests(package, found) if lines else (),
        install=lines,
        install_in_tree=bool(in_tree),
        version=asked,
        why={**plan.why, **{field: evidence for field, evidence in why.items() if evidence}},
    )


def _manifests(package: Package, found: Manager) -> tuple[str, ...]:
    """What an install reads: a change of one of these makes a new dependency layer."""
    schemas = _SCHEMAS if package.has("prisma", "@prisma/client") else ()
    named = ("package.json", "package.json5", found.lock, *_BESIDE, *schemas)
    return tuple(name for name in named if name and package.tree.has(name))


def _lines(package: Package, found: Manager, tools: tuple[str, ...]) -> Iterator[str]:
    if package.deps or package.workspaces:
        hooked = any(_HOOKS.search(text) for text in package.scripts.values())
        yield f"{'export HUSKY=0 LEFTHOOK=0; ' if hooked else ''}{line(package, found)}"
    if tools:
        yield f"npm install --no-audit --no-fund --prefix {TOOLS} {' '.join(tools)}" + "".join(map(_linked, tools))


def _linked(tool: str) -> str:
    """What the project's own configuration looks for must stand among its own packages; what that needs is there."""
    if not tool.startswith("@"):
        return ""
    name = tool.rpartition("@")[0] if tool.count("@") > 1 else tool
    scope = name.partition("/")[0]
    link = f"ln -sfn ../.slipway/node_modules/{name} node_modules/{name}"
    return f" --legacy-peer-deps && mkdir -p node_modules/{scope} && {link}"


def needs_tree(package: Package) -> str | None:
    """Why the manifests alone are not enough to install; None when they are."""
    if package.workspaces:
        return "workspaces are installed with the whole tree"
    for name, wanted in package.deps.items():
        if wanted.startswith(_LOCAL):
            return f"{name} lies in the tree"
    for name in ("preinstall", "install", "postinstall", "prepare"):
        text = package.scripts.get(name, "")
        if text and not _HOOKS.search(text):
            return f"package.json has a {name} script"
    if any(key in package.tree.text("package.json") for key in ('"patchedDependencies"', '"patch-package"')):
        return "packages are patched with files of the tree"
    return None


def version(package: Package) -> tuple[str, str] | None:
    """The major version of Node that is asked for, and by what."""
    engines = package.raw.get("engines")
    asked = engines.get("node") if isinstance(engines, Mapping) else None
    found = re.search(r"\d+", asked) if isinstance(asked, str) else None
    if found:
        return found.group(0), f"package.json's engines say node {asked}"
    engines = package.raw.get("devEngines")
    runtime = engines.get("runtime") if isinstance(engines, Mapping) else None
    found = re.search(r"\d+", str(runtime.get("version"))) if isinstance(runtime, Mapping) else None
    if found and isinstance(runtime, Mapping) and runtime.get("name") == "node":
        return found.group(0), "package.json's devEngines say so"
    for name in (".nvmrc", ".node-version"):
        found = re.match(r"\s*v?(\d+)", package.tree.text(name))
        if found:
            return found.group(1), f"{name} says {found.group(1)}"
    return None
