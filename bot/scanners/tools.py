"""The scanners: well-kept tools, each started so that nothing in the scanned tree configures or silences it.

A new one is a `Tool` in SCANNERS: what it wants to see, its command line, and anything that writes SARIF 2.1.0.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from bot.scanners import rules


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One tool's turn.  `paths` are all that it is to look at, relative to `root`, where it runs."""

    binary: Path
    root: Path
    paths: tuple[str, ...]
    cache: Path  # of this tool alone; it stays
    report: Path | None = None  # where a tool that does not print its report writes it; of this run alone

    @property
    def targets(self) -> list[str]:
        """The paths as arguments: none is ever taken for an option or an address."""
        return [f"./{path}" for path in self.paths]


@dataclasses.dataclass(frozen=True, slots=True)
class Tool:
    """One scanner."""

    name: str
    wants: Callable[[str], bool]  # by path
    command: Callable[[Job], list[str]]  # may lay out files in the job's cache; blocks
    binary: Callable[[], Path | None]
    install: str  # how to get it, in words
    fine: frozenset[int] = frozenset({0})  # exit codes that are a report
    nothing: frozenset[int] = frozenset()  # exit codes that say there was nothing for it, with no report
    partly: re.Pattern[str] | None = None  # of its complaints: it did not read all that it was given
    needed: bool = True  # no report of it is no pass; else it is an extra, used where it is found
    history: bool = False  # also looks at what is no more in the head
    keeps: bool = False  # writes to its cache; all others may only read there
    version: tuple[str, ...] = ("--version",)
    reports: str = ""  # the name of the file that it writes its report to; else it prints it
    key: Callable[[], str] = str  # what else its findings depend on, beside its version: nothing; blocks


_OURS = "uv sync --extra scan, in Slipway's own folder"
_JS = "uv sync --extra scan-js, in Slipway's own folder"
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue")
_LOCKS = frozenset(
    ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "deno.lock", "uv.lock")
) | {"poetry.lock", "Pipfile.lock", "pdm.lock", "Cargo.lock", "composer.lock", "Gemfile.lock", "go.sum"}
_VENDORED = frozenset(
    ["node_modules", "bower_components", ".yarn", "vendor", "third_party", "site-packages", ".venv", "venv"]
)
_TESTS = frozenset(["test", "tests", "__tests__", "__mocks__", "spec", "specs", "cypress", "e2e"])
_TEST_FILE = re.compile(r"\.(test|spec|cy|e2e|stories)\.\w+$")
_MINIFIED = re.compile(r"[.-](min|bundle|prod)\.(m|c)?js$")
_DOCKERFILE = re.compile(r"(^|\.)(dockerfile|containerfile)$|^(dockerfile|containerfile)\.", re.IGNORECASE)
_WORKFLOW = re.compile(r"^\.github/(workflows/[^/]+|dependabot)\.ya?ml$|(^|/)action\.ya?ml$")
_NAMED = frozenset(  # what osv-scanner reads
    (
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
        "uv.lock",
        "poetry.lock",
        "Pipfile.lock",
        "pdm.lock",
    )
) | {"requirements.txt", "Cargo.lock", "composer.lock", "Gemfile.lock", "go.mod"}
_PLUGIN, _FORMATTER = "eslint-plugin-sonarjs", "@microsoft/eslint-formatter-sarif"
_SONAR = (  # its rules about security; the others are about taste
    *("code-eval", "cookie-no-httponly", "cors", "csrf", "disabled-auto-escaping", "dompurify-unsafe-config"),
    *("encryption-secure-mode", "file-permissions", "file-uploads", "hardcoded-secret-signatures", "hashing"),
    *("insecure-cookie", "insecure-jwt-token", "no-hardcoded-passwords", "no-hardcoded-secrets", "no-unsafe-unzip"),
    *("no-weak-cipher", "no-weak-keys", "os-command", "post-message", "production-debug", "pseudo-random"),
    *("session-regeneration", "sql-queries", "unverified-certificate", "unverified-hostname", "weak-ssl"),
    "xml-parser-xxe",
)
_CHECKOV = ("terraform", "terraform_json", "cloudformation", "kubernetes", "dockerfile", "github_actions", "bicep")
_INFRA = (".tf", ".tf.json", ".tfvars", ".yaml", ".yml", ".bicep")


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _vendored(path: str) -> bool:
    return not _VENDORED.isdisjoint(PurePosixPath(path).parts[:-1]) or bool(_MINIFIED.search(path.lower()))


def _secrets(path: str) -> bool:
    return _name(path) not in _LOCKS  # hashes: nothing to find, much to mistake


def _python(path: str) -> bool:
    return path.endswith((".py", ".pyi", ".pyw", ".ipynb")) and not _vendored(path)


def _javascript(path: str) -> bool:
    if not path.lower().endswith((*_SCRIPTS, *rules.TEMPLATES)) or _vendored(path):
        return False
    folders = {part.lower() for part in PurePosixPath(path).parts[:-1]}
    return _TESTS.isdisjoint(folders) and not _TEST_FILE.search(path.lower())


def _dockerfile(path: str) -> bool:
    return bool(_DOCKERFILE.search(_name(path))) and not _vendored(path)


def _workflow(path: str) -> bool:
    return bool(_WORKFLOW.search(path)) and not _vendored(path)


def _infrastructure(path: str) -> bool:
    return (path.endswith(_INFRA) or _dockerfile(path)) and not _vendored(path)


def _locked(path: str) -> bool:
    return _name(path) in _NAMED and not _vendored(path)


def _scripts(path: str) -> bool:
    return path.endswith((".js", ".jsx", ".mjs", ".cjs")) and _javascript(path)


def _beside(name: str) -> Callable[[], Path | None]:
    """Beside our own interpreter, or on PATH."""

    def find() -> Path | None:
        own = Path(sys.executable).parent / name
        found = str(own) if own.is_file() else shutil.which(name)
        return Path(found) if found else None

    return find


def _inside(package: str, file: str, name: str) -> Callable[[], Path | None]:
    """The program itself in a package, not the Python script that starts it; else what PATH has."""

    def find() -> Path | None:
        spec = importlib.util.find_spec(package)  # of a top-level package: nothing is imported
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (own := Path(folder, file)).is_file():
                return own
        found = shutil.which(name) if name else None
        return Path(found) if found else None

    return find


ENGINE = _inside("semgrep", "bin/semgrep-core", "")
SEMGREP_VERSION = ("-version",)


def _engine() -> Path | None:
    return ENGINE() if rules.njsscan() else None


def _kingfisher(job: Job) -> list[str]:
    """Archives are opened, or it passes over all that is only called one (.key, .docx); none inside another, for 70 KB
    can hold 10 GB.  Files called an image or a font (.svg too) it never reads."""
    quiet = ["--no-validate", "--no-update-check", "--no-ignore", "--no-dedup", "--extraction-depth=1", "--redact"]
    kept = ["--rule-cache-dir", str(job.cache)]
    return [str(job.binary), "scan", *quiet, *kept, "--format", "sarif", "--", *job.targets]


def _ruff(job: Job) -> list[str]:
    alone = ["--isolated", "--ignore-noqa", "--no-cache", "--no-respect-gitignore", "--target-version", "py314"]
    chosen = ["--select", "S", "--ignore", "S101"]  # asserts: bandit's oldest noise
    return [str(job.binary), "check", *alone, *chosen, "--exit-zero", "--output-format", "sarif", "--", *job.targets]


def _semgrep(job: Job) -> list[str]:
    folder = rules.njsscan()
    assert folder is not None  # noqa: S101 - `_engine` looked
    return semgrep(job, rules.packed(job.cache, folder))


def semgrep(job: Job, config: Path) -> list[str]:
    """The engine's own command line, without the Python around it: it goes by the name that it is started under."""
    alias = job.cache / "osemgrep"
    if not alias.is_symlink() or alias.readlink() != job.binary:
        alias.unlink(missing_ok=True)
        alias.symlink_to(job.binary)
    silent = ["--metrics", "off", "--disable-version-check", "--disable-nosem", "--no-rewrite-rule-ids", "--novcs"]
    whole = ["--max-target-bytes", "0", "--no-git-ignore"]
    return [str(alias), "scan", "--experimental", *silent, *whole, "--sarif", "--config", str(config), *job.targets]


def _zizmor(job: Job) -> list[str]:
    alone = ["--offline", "--no-config", "--no-ignores", "--collect=all", "--no-exit-codes", "--no-progress"]
    return [str(job.binary), *alone, "--color=never", "--format", "sarif", "--", *job.targets]


def _hadolint(job: Job) -> list[str]:
    config = rules.written(job.cache / "none.yaml", "ignored: []\n")  # it dislikes an empty one
    alone = ["--config", str(config), "--disable-ignore-pragma", "--no-fail", "--no-color"]
    return [str(job.binary), *alone, "--format", "sarif", "--", *job.targets]


def _gitleaks(job: Job) -> list[str]:
    config = rules.written(job.cache / "gitleaks.toml", "[extend]\nuseDefault = true\n")
    alone = ["--config", str(config), "--gitleaks-ignore-path", str(job.cache), "--ignore-gitleaks-allow", "--redact"]
    told = ["--no-banner", "--exit-code", "0", "--report-format", "sarif", "--report-path", "/dev/stdout"]
    return [str(job.binary), "dir", *alone, *told, "."]


def _trivy(job: Job) -> list[str]:
    none = rules.written(job.cache / "none.yaml", "{}\n")
    alone = ["--config", str(none), "--ignorefile", str(none), "--skip-check-update", "--cache-dir", "/tmp/trivy"]  # noqa: S108
    return [str(job.binary), "config", *alone, "--quiet", "--format", "sarif", "."]


def _checkov(job: Job) -> list[str]:
    """It obeys a .checkov.yaml where it is started: at the root.  What it prints has a picture above the report."""
    assert job.report is not None  # noqa: S101 - `reports` is said
    alone = ["/usr/bin/env", "-C", "/", str(job.binary), "--skip-download", "--quiet", "--compact"]
    told = ["--output", "sarif", "--output-file-path", str(job.report.parent), "--framework", *_CHECKOV]
    return [*alone, *told, "-f", *(str(job.root / path) for path in job.paths)]


def _osv(job: Job) -> list[str]:
    """Against the copy of the database in its cache, which the operator keeps."""
    config = rules.written(job.cache / "osv-scanner.toml", "")
    alone = ["/usr/bin/env", f"OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY={job.cache}", str(job.binary), "scan", "source"]
    told = ["--offline", "--config", str(config), "--format", "sarif"]
    return [*alone, *told, *(f"--lockfile={target}" for target in job.targets)]


def _modules(binary: Path) -> Path:
    """The folder of Node's packages that a program is one of."""
    real = binary.resolve()
    return next((each for each in real.parents if each.name == "node_modules"), real.parent)


def _eslint_there() -> Path | None:
    """With its plugin and its formatter beside it."""
    found = shutil.which("eslint")
    beside = [_modules(Path(found)) / each for each in (_PLUGIN, _FORMATTER)] if found else []
    return Path(found) if found and all(each.is_dir() for each in beside) else None


def _eslint(job: Job) -> list[str]:
    folder = _modules(job.binary)
    chosen = {"no-eval": "error"} | {f"sonarjs/{rule}": "error" for rule in _SONAR}
    text = f"""const sonarjs = require({json.dumps(str(folder / _PLUGIN))});
module.exports = [{{
  files: ["**/*.js", "**/*.jsx", "**/*.mjs", "**/*.cjs"],
  linterOptions: {{ noInlineConfig: true, reportUnusedDisableDirectives: "off" }},
  languageOptions: {{ parserOptions: {{ ecmaFeatures: {{ jsx: true }} }} }},
  plugins: {{ sonarjs }},
  rules: {json.dumps(chosen)},
}}];
"""
    config = rules.written(job.cache / "eslint.config.cjs", text)
    alone = ["--no-config-lookup", "--no-inline-config", "--no-ignore", "--config", str(config)]
    return [str(job.binary), *alone, "-f", str(folder / _FORMATTER / "sarif.js"), "--", *job.targets]


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


SCANNERS: tuple[Tool, ...] = (
    Tool(
        name="kingfisher",
        wants=_secrets,
        command=_kingfisher,
        binary=_inside("kingfisher", "bin/kingfisher", "kingfisher"),
        install=_OURS,
        fine=frozenset({0, 200, 205}),
        history=True,
        keeps=True,
    ),
    Tool(name="ruff", wants=_python, command=_ruff, binary=_beside("ruff"), install=_OURS),
    Tool(name="semgrep", wants=_javascript, command=_semgrep, binary=_engine, install=_JS, version=SEMGREP_VERSION),
    Tool(
        name="zizmor",
        wants=_workflow,
        command=_zizmor,
        binary=_beside("zizmor"),
        install=_OURS,
        nothing=frozenset({3}),
        partly=re.compile(r"failed to (parse|validate) input"),
    ),
    Tool(name="hadolint", wants=_dockerfile, command=_hadolint, binary=_beside("hadolint"), install=_OURS),
    Tool(
        name="gitleaks",
        wants=_secrets,
        command=_gitleaks,
        binary=_beside("gitleaks"),
        install="put gitleaks on PATH",
        needed=False,
        history=True,
        version=("version",),
    ),
    Tool(
        name="trivy",
        wants=_infrastructure,
        command=_trivy,
        binary=_beside("trivy"),
        install="put trivy on PATH",
        needed=False,
    ),
    Tool(
        name="checkov",
        wants=_infrastructure,
        command=_checkov,
        binary=_beside("checkov"),
        install="put checkov on PATH",
        fine=frozenset({0, 1}),
        needed=False,
        reports="results_sarif.sarif",
    ),
    Tool(
        name="osv-scanner",
        wants=_locked,
        command=_osv,
        binary=_beside("osv-scanner"),
        install="put osv-scanner on PATH",
        fine=frozenset({0, 1}),
        nothing=frozenset({128}),
        needed=False,
        key=_today,  # what is known grows
    ),
    Tool(
        name="eslint",
        wants=_scripts,
        command=_eslint,
        binary=_eslint_there,
        install=f"put eslint on PATH, with {_PLUGIN} and {_FORMATTER} beside it",
        fine=frozenset({0, 1}),
        needed=False,
    ),
)
