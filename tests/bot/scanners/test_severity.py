"""What stops a merge is what well-kept code does not do."""

from __future__ import annotations

import pytest

from bot.scanners.findings import Kind, Severity
from bot.scanners.severity import elsewhere, quotes, weigh


def step(tool: str, rule: str, level: str = "error", path: str = "app.py", given: float | None = None) -> str:
    return Severity.of(weigh(tool, rule, level, given, path)[1]).word


@pytest.mark.parametrize(
    ("tool", "rules"),
    [
        ("ruff", "S102 S201 S301 S307 S501 S506 S602 S605 S608 S701"),
        ("bandit", "B102 B301 B307 B602 B608"),
        (
            "semgrep",
            "eval_nodejs generic_os_command_exec node_sqli_injection node_nosqli_injection express_xss node_ssrf",
        ),
        ("semgrep", "node_jwt_none_algorithm node_deserialize vm2_context_injection rules.njs.express_lfr"),
        ("zizmor", "template-injection dangerous-triggers github-env bot-conditions"),
        ("eslint", "security/detect-eval-with-expression sonarjs/os-command no-eval"),
    ],
)
def test_what_lets_others_in_is_high_and_said_how_to_mend(tool: str, rules: str) -> None:
    for rule in rules.split():
        assert step(tool, rule) == "high", rule
        assert weigh(tool, rule, "error", None, "app.py")[2], rule


@pytest.mark.parametrize(
    ("tool", "rules"),
    [
        ("ruff", "S101 S110 S112 S113 S311 S404 S603 S606 S607"),
        ("ruff", "E501 F401 invalid-syntax"),
        ("bandit", "B101 B110 B404 B603 B607"),
        ("hadolint", "DL3003 DL3008 DL3066 DL4006 SC2086"),
        ("semgrep", "helmet_header_hsts rate_limit_control anti_csrf_control"),
        ("eslint", "no-unused-vars security/detect-object-injection"),
    ],
)
def test_what_well_kept_code_does_is_low_even_when_a_tool_calls_it_an_error(tool: str, rules: str) -> None:
    for rule in rules.split():
        assert step(tool, rule) == "low", rule


@pytest.mark.parametrize("rule", ["S104", "S105", "S106", "S107", "S324", "S310", "S999"])
def test_what_may_be_harmless_is_medium(rule: str) -> None:
    assert step("ruff", rule) == "medium"


@pytest.mark.parametrize("rule", ["express_lfr_warning", "generic_path_traversal"])
def test_what_njsscan_says_of_checked_names_and_of_plain_templates_too_is_medium(rule: str) -> None:
    assert step("semgrep", rule) == "medium"
    assert weigh("semgrep", rule, "error", None, "app.js")[2]


def test_a_container_that_runs_as_root_is_medium_and_of_the_configuration() -> None:
    kind, score, mend = weigh("hadolint", "DL3002", "warning", None, "Dockerfile")
    assert (kind, Severity.of(score).word) == ("config", "medium")
    assert "USER" in mend


def test_the_scanner_says_how_sure_it_is_of_a_workflow() -> None:
    path = ".github/workflows/a.yml"
    assert [step("zizmor", "template-injection", level, path) for level in ("error", "warning", "note")] == [
        "high",
        "medium",
        "low",
    ]


def test_a_shell_command_that_seems_safe_is_low() -> None:
    said = "`subprocess` call with `shell=True` seems safe, but may be changed in the future"
    assert weigh("ruff", "S602", "error", None, "app.py", said)[1] < 4.0


@pytest.mark.parametrize(
    ("level", "score"), [("error", 7.5), ("warning", 5.0), ("note", 2.0), ("none", 2.0), ("odd", 5.0)]
)
def test_what_is_in_no_table_has_the_weight_of_its_level(level: str, score: float) -> None:
    assert weigh("semgrep", "a-teams-own-rule", level, None, "app.py")[1] == score
    assert weigh("new-tool", "x", level, None, "app.py")[1] == score


def test_a_given_weight_wins() -> None:
    assert weigh("trivy", "CVE-2026-1", "note", 9.8, "uv.lock")[:2] == ("dependency", 9.8)
    assert weigh("trivy", "AVD-DS-0002", "error", 4.2, "Dockerfile")[:2] == ("config", 4.2)
    assert weigh("ruff", "S608", "error", 3.0, "app.py")[1] == 3.0
    assert weigh("x", "y", "error", 99.0, "app.py")[1] == 10.0


@pytest.mark.parametrize(
    "path",
    ["tests/test_a.py", "docs/conf.py", "examples/app.py", "a/__tests__/b.js", "src/app.test.ts", "test_a.py",
     "pkg/x_test.go", "conftest.py", "Spec/a.js"],
)  # fmt: skip
def test_code_that_does_not_ship_is_low(path: str) -> None:
    assert elsewhere(path)
    assert step("ruff", "S608", path=path) == "low"
    assert step("x", "y", path=path, given=9.9) == "low"


@pytest.mark.parametrize(
    "path", ["latest/app.py", "contest.py", "src/testing_tools.py", "documents/a.py", "test", "app.py"]
)
def test_names_that_only_look_like_tests_are_shipped(path: str) -> None:
    assert not elsewhere(path)


@pytest.mark.parametrize(
    "rule",
    ["betterleaks.github-pat", "stripe-access-token", "aws-access-token", "private-key", "slack-webhook-url",
     "betterleaks.resend-api-key.1", "azure-servicebus-connection-string"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["app.py", "tests/fixtures/a.py", "docs/a.md"])
def test_a_secret_of_a_providers_form_is_critical_wherever_it_stands(rule: str, path: str) -> None:
    for tool in ("kingfisher", "gitleaks"):
        kind, score, mend = weigh(tool, rule, "error", None, path)
        assert (kind, score) == ("secret", 9.5)
        assert mend.startswith("Rotate")


@pytest.mark.parametrize(
    "rule", ["generic-api-key", "betterleaks.generic-credential-uri", "jwt", "nuget-config-password"]
)
def test_a_secret_that_may_be_a_word_is_medium_and_in_tests_no_secret(rule: str) -> None:
    kind, score, _mend = weigh("gitleaks", rule, "error", None, "app.py")
    assert (kind, Severity.of(score).word) == ("secret", "medium")
    kind, score, _mend = weigh("gitleaks", rule, "error", None, "tests/a.py")
    assert (kind, Severity.of(score).word) == ("code", "low")


@pytest.mark.parametrize(
    "rule", ["betterleaks.auth0-client-id.1", "betterleaks.mailgun-pub-key", "supabase-project-url"]
)
def test_the_public_half_is_no_secret(rule: str) -> None:
    assert weigh("kingfisher", rule, "error", None, "app.py")[:2] == ("config", 3.0)
    assert quotes("kingfisher", rule), "and still nothing of it is repeated"


@pytest.mark.parametrize(
    ("tool", "rule", "path", "kind"),
    [
        ("ruff", "S608", "app.py", "code"),
        ("ruff", "S105", "app.py", "code"),
        ("semgrep", "x", "docker/Dockerfile.prod", "config"),
        ("semgrep", "x", ".github/workflows/a.yml", "config"),
        ("semgrep", "generic.secrets.detected-key", "app.py", "secret"),
        ("trivy", "github-pat", "app.py", "secret"),
        ("trivy", "DS002", "Dockerfile", "config"),
        ("checkov", "CKV_DOCKER_3", "Dockerfile", "config"),
        ("checkov", "CKV_SECRET_2", "app.py", "secret"),
        ("osv-scanner", "GHSA-aaaa", "uv.lock", "dependency"),
        ("osv-scanner", "MAL-2026-1", "uv.lock", "malware"),
        ("zizmor", "unpinned-uses", ".github/workflows/a.yml", "config"),
    ],
)
def test_each_tool_speaks_of_its_kind(tool: str, rule: str, path: str, kind: Kind) -> None:
    assert weigh(tool, rule, "error", None, path)[0] == kind
