"""How grave what a scanner saw is, of which kind, and how to mend it.

Most scanners give no `security-severity`, and some call everything an error; so the rules that are seen often have a
number here.  What stops a merge (7.0 and more) is what well-kept code does not do.

So two of njsscan's rules are medium: `express_lfr_warning` sees any `res.render(view, {name: req.query.name})`, which
harms nobody without one template engine (of that, `express_lfr` has its own); and `generic_path_traversal` follows no
value, so a checked name looks to it like a raw one.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from bot.scanners.findings import Kind

FAMILIES = {  # scanners that speak of the same rules
    "gitleaks": "secrets",
    "betterleaks": "secrets",
    "kingfisher": "secrets",
    "trufflehog": "secrets",
    "detect-secrets": "secrets",
    "semgrep": "njs",
    "njsscan": "njs",
    "opengrep": "njs",
    "osemgrep": "njs",
}
_LEVELS = {"error": 7.5, "warning": 5.0, "note": 2.0, "none": 2.0}
_USUAL = {"ruff": 2.0, "bandit": 5.0, "hadolint": 2.0, "eslint": 2.0, "checkov": 5.0}  # their levels say nothing
_KINDS: dict[str, Kind] = {
    "hadolint": "config",
    "zizmor": "config",
    "checkov": "config",
    "osv-scanner": "dependency",
    "pip-audit": "dependency",
    "uv": "dependency",
    "guarddog": "malware",
}
_SECRETS = re.compile("secret|leak")  # in the name of a scanner of somebody's own: what it looks for
_SURE = {"warning": 6.9, "note": 3.9, "none": 3.9}  # the most, by how sure zizmor says that it is
_SLIGHT, _PASSWORD = 3.9, 6.9  # the most: of code that does not ship, and of passwords that may be none

_ADVISORY = re.compile(r"(CVE|GHSA|PYSEC|OSV|GO|RUSTSEC|SNYK|TEMP|DSA)-", re.IGNORECASE)
_GENERIC = re.compile(
    r"generic|passw|(^|[.-])jwt|curl-auth|credential-uri|mongodb-connection|kubernetes-secret|basic.?auth|keyword"
    r"|entropy|hard-?coded",
    re.IGNORECASE,
)
_PUBLIC = re.compile(  # names of accounts and the like: no secret without the other half
    r"-(id|domain|host|username|name|address|(public|pub)(-api)?-(key|token)|browser-api-token|(client|mobile)-sdk-key)$"
    r"|(?<!webhook)(?<!sensitive)-url$|posthog-project-api-key$"
)
_TESTS = frozenset(
    {"test", "tests", "testing", "__tests__", "__mocks__", "spec", "specs", "e2e", "cypress", "fixtures"}
)
_TESTS |= {"testdata", "doc", "docs", "example", "examples", "sample", "samples"}
_TEST = re.compile(r"conftest\.py$|test_.*\.py$|.*_test\.(py|go)$|.*\.(test|spec|stories)\.[cm]?[jt]sx?$")
_CONFIG = re.compile(
    r"(^|/)(([^/]*[.-])?(dockerfile|containerfile)([.-][^/]*)?|(docker-)?compose[^/]*\.ya?ml)$|(^|/)\.github/|\.tf$",
    re.IGNORECASE,
)

_ADDRESS = re.compile(r"://([^:@/\s]{0,100}):([^@/\s]{1,200})@")
_NO_PASSWORDS = frozenset(
    ("change-me", "changeme", "change_me", "dev", "example", "guest", "pass", "passwd", "password", "postgres", "root")
) | {"secret", "test", "user", "xxx", "your-password", "..."}

_SHELL = "Start the program with a list of arguments, and without a shell."
_SQL = "Hand values over as parameters of the query, and never put them into its text."
_EVAL = "Don't run text as code; read it as data (ast.literal_eval, JSON), or choose from a fixed list."
_PICKLE = "Read outside data as JSON; unpickling it runs whatever its author wants."
_YAML = "Use yaml.safe_load."
_XML = "Use defusedxml."
_TLS = "Leave certificates checked; trust an own authority by its file."
_HASH = "Use SHA-256, and for passwords argon2, scrypt or bcrypt."
_RANDOM = "Use the module secrets where nobody may guess it."
_PASSWORDS = "Read it from the environment, and change it where it is in use."
_ESCAPE = "Let the template escape it, or send it as text or JSON."
_VERIFY = "Check a name against a fixed list, and that the resolved path is inside the folder."
_PIN = "Name the commit's full hash, with the version in a comment."
_UNZIP = "Check that each entry's path stays inside the folder (in Python: filter='data')."
_COOKIE = "Set secure, httpOnly and sameSite."
_ROTATE = "Rotate it now: whoever reads the repository or its history has it. Then read it from the environment."
_HALF = "By itself it opens nothing; see that the secret that belongs to it is nowhere in the files."

# Family, beginning of the rule's id (the longest that fits counts; a $ is its end), weight, how to mend it.
_TABLE: tuple[tuple[str, str, float, str], ...] = (
    ("ruff", "S", 5.0, ""),
    ("ruff", "S101", 1.0, ""),  # assert
    ("ruff", "S102", 8.0, _EVAL),
    ("ruff", "S103", 5.5, "Give rights to the owner only: 0o600, or 0o700 for a folder."),
    ("ruff", "S104", 4.0, "Listen on 127.0.0.1, unless a proxy stands before it."),
    ("ruff", "S105", 5.0, _PASSWORDS),
    ("ruff", "S106", 5.0, _PASSWORDS),
    ("ruff", "S107", 5.0, _PASSWORDS),
    ("ruff", "S108", 3.0, "Use tempfile: others can be first to make a file of a known name."),
    ("ruff", "S11", 1.5, ""),  # exceptions passed over
    ("ruff", "S113", 3.5, "Give it a timeout."),
    ("ruff", "S201", 8.0, "Leave debug off: its console runs code for anybody."),
    ("ruff", "S202", 6.0, _UNZIP),
    ("ruff", "S301", 7.5, _PICKLE),
    ("ruff", "S302", 7.0, _PICKLE),
    ("ruff", "S306", 4.5, "Use tempfile.mkstemp."),
    ("ruff", "S307", 8.0, _EVAL),
    ("ruff", "S308", 5.5, _ESCAPE),
    ("ruff", "S310", 4.5, "Allow https only, and check the host."),
    ("ruff", "S311", 3.0, _RANDOM),
    ("ruff", "S312", 5.5, "Use SSH."),
    ("ruff", "S31", 5.0, _XML),
    ("ruff", "S32", 5.0, ""),
    ("ruff", "S323", 6.5, _TLS),
    ("ruff", "S324", 4.5, _HASH),
    ("ruff", "S4", 1.0, ""),  # an import alone does no harm
    ("ruff", "S501", 7.4, _TLS),
    ("ruff", "S50", 6.0, _TLS),
    ("ruff", "S506", 7.5, _YAML),
    ("ruff", "S507", 7.0, "Load known hosts, and refuse the others."),
    ("ruff", "S602", 8.0, _SHELL),
    ("ruff", "S603", 2.0, ""),
    ("ruff", "S604", 5.5, _SHELL),
    ("ruff", "S605", 8.0, _SHELL),
    ("ruff", "S606", 2.5, ""),
    ("ruff", "S607", 2.0, ""),
    ("ruff", "S608", 8.0, _SQL),
    ("ruff", "S609", 6.5, _SHELL),
    ("ruff", "S61", 7.0, _SQL),
    ("ruff", "S612", 6.5, "Verify what comes in before it configures anything."),
    ("ruff", "S701", 7.0, "Turn autoescape on: select_autoescape()."),
    ("ruff", "S70", 6.0, _ESCAPE),
    ("bandit", "B101", 1.0, ""),
    ("bandit", "B102", 8.0, _EVAL),
    ("bandit", "B105", 5.0, _PASSWORDS),
    ("bandit", "B106", 5.0, _PASSWORDS),
    ("bandit", "B107", 5.0, _PASSWORDS),
    ("bandit", "B11", 1.5, ""),
    ("bandit", "B113", 3.5, "Give it a timeout."),
    ("bandit", "B201", 8.0, "Leave debug off: its console runs code for anybody."),
    ("bandit", "B301", 7.5, _PICKLE),
    ("bandit", "B307", 8.0, _EVAL),
    ("bandit", "B311", 3.0, _RANDOM),
    ("bandit", "B4", 1.0, ""),
    ("bandit", "B501", 7.4, _TLS),
    ("bandit", "B506", 7.5, _YAML),
    ("bandit", "B602", 8.0, _SHELL),
    ("bandit", "B603", 2.0, ""),
    ("bandit", "B605", 8.0, _SHELL),
    ("bandit", "B607", 2.0, ""),
    ("bandit", "B608", 8.0, _SQL),
    ("hadolint", "DL1000", 4.0, "Write it so that it can be read as a Dockerfile."),
    ("hadolint", "DL3002", 5.5, "End with USER and the number of a user that is not root."),
    ("hadolint", "DL3004", 4.5, "Leave sudo out; change USER."),
    ("hadolint", "DL3006", 4.0, "Name the image's version, better its digest."),
    ("hadolint", "DL3007", 4.0, "Name the image's version, better its digest."),
    ("hadolint", "DL3020", 4.0, "Use COPY for files, and curl with a checksum for URLs."),
    ("hadolint", "DL3026", 5.5, "Take images from registries that you trust."),
    (
        "hadolint",
        "DL3064",
        6.5,
        "Hand it over when it runs, or as a build secret; every layer keeps what ENV and ARG said.",
    ),
    ("zizmor", "artipacked", 4.0, "Give checkout persist-credentials: false."),
    ("zizmor", "bot-conditions", 7.5, "Ask github.event.pull_request.user.login, not github.actor."),
    ("zizmor", "cache-poisoning", 6.5, "Build what you publish without a cache."),
    ("zizmor", "dangerous-triggers", 8.0, "Use pull_request, or run nothing of the head's code here."),
    ("zizmor", "excessive-permissions", 5.0, "Write permissions: {} at the top, and in each job what it needs."),
    ("zizmor", "github-env", 8.0, "Don't write outside text to GITHUB_ENV or GITHUB_PATH."),
    ("zizmor", "hardcoded-container-credentials", 8.0, _ROTATE),
    ("zizmor", "impostor-commit", 9.0, "Name a commit of the action's own repository."),
    (
        "zizmor",
        "insecure-commands",
        8.0,
        "Remove ACTIONS_ALLOW_UNSECURE_COMMANDS; write to GITHUB_ENV and GITHUB_OUTPUT.",
    ),
    ("zizmor", "overprovisioned-secrets", 6.0, "Name the secrets one by one."),
    ("zizmor", "secrets-inherit", 5.0, "Name the secrets one by one."),
    ("zizmor", "self-hosted-runner", 4.0, "Let no outside pull request run on your own machines."),
    ("zizmor", "template-injection", 8.8, 'Put it into env:, and use it as "$NAME" in the script.'),
    ("zizmor", "unpinned-images", 4.0, "Name the image's digest."),
    ("zizmor", "unpinned-uses", 5.5, _PIN),
    (
        "zizmor",
        "unredacted-secrets",
        7.0,
        "Keep each value as a secret of its own: parts of a JSON one are not masked.",
    ),
    ("njs", "anti_csrf", 2.0, ""),
    ("njs", "cookie_session", 4.0, _COOKIE),
    ("njs", "dom_xss", 7.5, _ESCAPE),
    ("njs", "eval_", 8.5, _EVAL),
    ("njs", "express_bodyparser", 4.0, "Give each parser a limit."),
    ("njs", "express_cors", 5.0, "Name the origins that may."),
    ("njs", "express_lfr", 7.5, _VERIFY),
    ("njs", "express_lfr_warning", 5.0, "Name the values that a template gets one by one."),
    ("njs", "express_open_redirect", 7.0, "Redirect to paths of your own, or to hosts of a list."),
    ("njs", "express_xss", 7.5, _ESCAPE),
    ("njs", "generic_cors", 5.0, "Name the origins that may."),
    ("njs", "generic_error_disclosure", 3.5, "Log the error; tell the visitor a number."),
    ("njs", "generic_os_command_exec", 8.8, "Use execFile with a list of arguments, and without a shell."),
    ("njs", "generic_path_traversal", 6.0, _VERIFY),
    ("njs", "hardcoded_", 6.5, _PASSWORDS),
    ("njs", "header_xss", 4.0, ""),
    ("njs", "helmet", 2.0, ""),
    ("njs", "host_header_injection", 5.5, "Take the host from your settings."),
    ("njs", "join_resolve_path", 5.5, _VERIFY),
    ("njs", "jwt_express_hardcoded", 6.5, _PASSWORDS),
    ("njs", "layer7_object_dos", 5.0, "Check that the length is a number, and not too large."),
    ("njs", "node_api_key", 6.5, _PASSWORDS),
    ("njs", "node_deserialize", 8.8, "Use JSON.parse."),
    ("njs", "node_error_disclosure", 4.5, "Log the error; tell the visitor a number."),
    ("njs", "node_insecure_random", 3.5, "Use crypto.randomBytes or crypto.randomUUID."),
    ("njs", "node_jwt_none", 8.5, "Name the algorithm that you sign with."),
    ("njs", "node_knex_sqli", 8.5, _SQL),
    ("njs", "node_logic_bypass", 6.0, "Compare values, with === and of one type."),
    ("njs", "node_md5", 4.5, _HASH),
    ("njs", "node_nosqli", 8.0, "Check that each value is text before it becomes part of a query."),
    ("njs", "node_password", 6.5, _PASSWORDS),
    ("njs", "node_secret", 6.5, _PASSWORDS),
    ("njs", "node_sha1", 4.5, _HASH),
    ("njs", "node_sqli", 8.5, _SQL),
    ("njs", "node_ssrf", 8.0, "Fetch from hosts of a list only."),
    ("njs", "node_timing", 3.5, "Use crypto.timingSafeEqual."),
    ("njs", "node_tls_reject", 7.4, _TLS),
    ("njs", "node_username", 3.0, ""),
    ("njs", "rate_limit", 2.0, ""),
    ("njs", "regex_", 5.5, "Don't make patterns of outside text; see that none repeats a repetition."),
    ("njs", "server_side_template", 8.8, "Hand values to a fixed template."),
    ("njs", "shelljs_os_command", 8.8, "Use execFile with a list of arguments, and without a shell."),
    ("njs", "vm", 8.0, "vm is no wall: run outside code in a box of its own, or not at all."),
    ("njs", "yaml_deserialize", 8.0, "Use a current js-yaml and its load()."),
    ("njs", "zip_path", 7.5, _UNZIP),
    ("eslint", "security/", 4.5, ""),
    ("eslint", "security/detect-eval", 8.0, _EVAL),
    ("eslint", "security/detect-object-injection", 2.0, ""),
    ("eslint", "sonarjs/", 4.5, ""),
    ("eslint", "sonarjs/code-eval", 8.0, _EVAL),
    ("eslint", "sonarjs/cookie-", 4.0, _COOKIE),
    ("eslint", "sonarjs/disabled-auto-escaping", 6.5, _ESCAPE),
    ("eslint", "sonarjs/hashing", 4.5, _HASH),
    ("eslint", "sonarjs/insecure-cookie", 4.0, _COOKIE),
    ("eslint", "sonarjs/insecure-jwt-token", 7.4, "Name the algorithm that you sign with, and verify it."),
    ("eslint", "sonarjs/no-unsafe-unzip", 6.0, _UNZIP),
    ("eslint", "sonarjs/pseudo-random", 3.0, "Use crypto.randomBytes or crypto.randomUUID."),
    ("eslint", "sonarjs/unverified-", 7.4, _TLS),
    ("eslint", "sonarjs/weak-ssl", 6.0, _TLS),
    ("eslint", "sonarjs/xml-parser-xxe", 7.0, "Leave external entities off."),
    ("eslint", "sonarjs/no-hardcoded", 5.0, _PASSWORDS),
    ("eslint", "sonarjs/os-command", 8.0, _SHELL),
    ("eslint", "sonarjs/sql-queries", 8.0, _SQL),
    ("eslint", "no-eval", 8.0, _EVAL),
    ("checkov", "CKV_AWS_", 3.9, ""),  # most of them ask for comfort: logs, copies, keys of your own
    ("checkov", "CKV2_AWS_", 3.9, ""),
    ("checkov", "CKV_AWS_20$", 7.0, "Give nobody but yourself the right to read it; serve files through a CDN."),
    ("checkov", "CKV_AWS_24$", 6.5, "Name the addresses that may."),
    ("checkov", "CKV_AWS_25$", 6.5, "Name the addresses that may."),
    ("checkov", "CKV_AWS_57$", 8.0, "Give nobody else the right to write."),
    ("checkov", "CKV_AWS_63$", 7.0, "Name the actions that are needed."),
    ("checkov", "CKV_DOCKER_2$", 1.0, ""),
    ("checkov", "CKV_DOCKER_7$", 4.0, "Name the image's version, better its digest."),
    ("checkov", "CKV_DOCKER_8$", 5.5, "End with USER and the number of a user that is not root."),
    ("checkov", "CKV_GHA_2$", 8.0, "Put outside text into env:, and use it as a variable of the shell."),
    ("checkov", "CKV_K8S_", 3.9, ""),
    ("checkov", "CKV_K8S_16$", 7.0, "Run it without privileges."),
)
_ROWS = {
    family: sorted(
        ((prefix, score, mend) for one, prefix, score, mend in _TABLE if one == family), key=lambda row: -len(row[0])
    )
    for family in {row[0] for row in _TABLE}
}
_PASSWORD_RULE = re.compile(
    r"(^|[./_-])(B10[567]$|S10[567]$|node_(password|secret|api_key|username)|hard-?_?coded)", re.IGNORECASE
)


def weigh(
    tool: str, rule: str, level: str, given: float | None, path: str, message: str = ""
) -> tuple[Kind, float, str]:
    """Kind, weight (security-severity, 0.1 to 10) and how to mend it, of what a rule of this tool says of this path."""
    tool = tool.lower()
    family = FAMILIES.get(tool, tool)
    if family == "secrets" or _SECRETS.search(tool) or _finds_secrets(tool, rule):
        return _secret(rule, path, given)
    kind = _kind(tool, rule, path)
    score, mend = _known(tool, family, rule, level)
    if "seems safe" in message:
        score = min(score, _SLIGHT)  # ruff says so of a shell command without outside text
    score = given if given is not None else score
    if kind == "code" and _PASSWORD_RULE.search(rule):
        score = min(score, _PASSWORD)
    if kind == "code" and elsewhere(path):
        score = min(score, _SLIGHT)
    return kind, max(0.1, min(score, 10.0)), mend


def _known(tool: str, family: str, rule: str, level: str) -> tuple[float, str]:
    """What the table says of a rule, or else the tool's usual weight, or its level's."""
    name = rule.rpartition(".")[2] if family == "njs" else rule
    usual = (_USUAL.get(tool, _LEVELS.get(level, 5.0)), "")
    score, mend = next(
        ((score, mend) for begins, score, mend in _ROWS.get(family, ()) if f"{name}$".startswith(begins)), usual
    )
    most = _SURE.get(level, 10.0) if family == "zizmor" else 10.0
    return min(score, most), mend


def quotes(tool: str, rule: str) -> bool:
    """Whether what the tool says of it may hold the secret itself."""
    tool = tool.lower()
    named = tool != "ruff" and _PASSWORD_RULE.search(rule) is not None  # ruff tells the variable's name only
    return named or FAMILIES.get(tool) == "secrets" or _SECRETS.search(tool) is not None or _finds_secrets(tool, rule)


def trivial(line: str) -> bool:
    """Whether all passwords in the addresses of a line are ones that nobody keeps: postgres:postgres, change-me."""
    found = _ADDRESS.findall(line)
    return bool(found) and all(
        word.lower() in (user.lower(), *_NO_PASSWORDS) or word[0] in "$<{%" for user, word in found
    )


def elsewhere(path: str) -> bool:
    """Whether a path is of tests, documentation or examples: nothing that is shipped."""
    pure = PurePosixPath(path.lower())
    return not _TESTS.isdisjoint(pure.parts[:-1]) or _TEST.match(pure.name) is not None


def _finds_secrets(tool: str, rule: str) -> bool:
    if tool == "trivy":  # misconfigurations and advisories are in capitals
        return rule == rule.lower() and "-" in rule
    return rule.startswith("CKV_SECRET") or ".secrets." in rule


def _secret(rule: str, path: str, given: float | None) -> tuple[Kind, float, str]:
    """Of a provider's own form, they are what they look like wherever they stand; others may be a word in a test."""
    name = re.sub(r"\.\d+$", "", rule)
    if _PUBLIC.search(name):
        return "config", 3.0, _HALF
    if _GENERIC.search(name) is None:
        return "secret", 9.5 if given is None else max(0.1, min(given, 10.0)), _ROTATE
    if elsewhere(path):
        return "code", 3.0, _PASSWORDS
    return "secret", min(6.5 if given is None else given, _PASSWORD), _ROTATE


def _kind(tool: str, rule: str, path: str) -> Kind:
    if rule.upper().startswith("MAL-"):
        return "malware"
    if _ADVISORY.match(rule):
        return "dependency"
    if tool in _KINDS:
        return _KINDS[tool]
    return "config" if tool == "trivy" or _CONFIG.search(path) else "code"
