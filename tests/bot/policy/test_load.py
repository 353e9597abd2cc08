"""What a policy file may look like, and what is said of one that does not."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SlipwayError
from bot.policy.load import Fault, Invalid, load
from bot.policy.merge import Layer, merge
from bot.policy.schema import Policy
from bot.policy.text import DEEPEST, LARGEST, read


def faults(text: str | bytes) -> list[tuple[int, int, str, str]]:
    with pytest.raises(Invalid) as caught:
        load(text.encode() if isinstance(text, str) else text)
    return [(fault.line, fault.column, fault.path, fault.words) for fault in caught.value.faults]


def words(text: str) -> str:
    """Of the only fault."""
    ((_line, _column, _path, said),) = faults(text)
    return said


def production(lines: str) -> str:
    return "environments:\n  production:\n" + "".join(f"    {line}\n" for line in lines.splitlines())


def value(text: str) -> object:
    root, wrong = read(text.encode())
    assert not wrong
    return root.children["v"].value


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n", "null", "environments:\n", "\ufeff{}"])
def test_an_empty_file_says_nothing(text: str) -> None:
    policy = load(text.encode())
    assert policy == load(b"") or policy.environments is None
    assert merge([Layer("project", policy)]) == merge([])


# P24: what YAML 1.1 and a trusting loader make of a file.


def test_p24_a_name_that_stands_there_twice_is_refused() -> None:
    text = production("scan: {critical: 0}\nscan: {critical: 99}")
    assert faults(text) == [(4, 5, "", '"scan" is here twice: it is on line 3 already')]


def test_p24_seventeen_thirty_is_no_number() -> None:
    assert value("v: 17:30") == "17:30"
    assert words(production("soak: 17:30")) == '"17:30" is no span of time: write 90s, 15m, 24h or 7d'


def test_p24_no_is_a_word() -> None:
    assert value("v: no") == "no"
    assert words(production("author_may_promote: no")) == '"no" is not true or false: write false'
    assert words(production("approvals: {human_only: yes}")) == '"yes" is not true or false: write true'


def test_p24_on_is_a_name() -> None:
    policy = load(production("auto_rollback: {on: [failed]}").encode())
    assert merge([Layer("project", policy)]).terms("production").auto_rollback.on == {"failed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_000", "1_000"),
        ("0777", 777),  # 1.2 knows no such octal numbers
        ("0o777", 511),
        ("0xff", 255),
        ("0b11", "0b11"),
        ("1:30:00", "1:30:00"),
        ("2026-12-20", "2026-12-20"),
        ("y", "y"),
        ("Off", "Off"),
        ("True", True),
        ("~", None),
        ("=", "="),
        ("<<", "<<"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("'1'", "1"),
        ("9" * 40, "9" * 40),
    ],
)
def test_p24_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    found = value(f"v: {text}")
    assert found == expected
    assert type(found) is type(expected)


def test_p24_numbers_keep_every_digit() -> None:
    assert str(value("v: 0.1000000001")) == "0.1000000001"


def test_p24_aliases_do_not_multiply() -> None:
    """236 bytes that other loaders make 28 MB of."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in zip("abcdef", "bcdefg", strict=True)
    ]
    begun = time.process_time()
    found = faults("\n".join(lines))
    assert time.process_time() - begun < 10
    assert "an alias (*) is not allowed: write the value where it belongs" in [said for *_place, said in found]
    assert "an anchor (&) is not allowed: write the value where it belongs" in [said for *_place, said in found]


def test_p24_merge_keys_are_names_like_any_other() -> None:
    assert faults("<<: {environments: {}}")[0][2:] == (
        "<<",
        "this is not known; here may be version, inherit, environments, agents, budgets, isolation, override, scan",
    )


@pytest.mark.parametrize("text", ["!!map {}", "!!python/object/apply:os.system [id]", "version: !!int 1", "!x {}"])
def test_p24_tags_are_refused(text: str) -> None:
    assert "a tag (!) is not allowed: values are what they look like" in [said for *_place, said in faults(text)]


def test_p24_a_second_document_is_refused() -> None:
    text = "version: 1\n---\nenvironments: {production: {approvals: {count: 0}}}\n"
    assert faults(text) == [(2, 1, "", "a second document begins here: a policy is one")]


def test_p24_directives_are_refused() -> None:
    assert words("%YAML 1.1\n---\nversion: 1") == "leave out lines that begin with %: a policy is YAML 1.2"


def test_p24_size_and_depth_are_limited() -> None:
    assert load(b"#" + b"x" * (LARGEST - 1)) == Policy()
    assert words("#" + "x" * LARGEST) == "the file has 65,537 bytes; 65,536 are allowed"
    assert words("[" * (DEEPEST + 1)) == "this is nested more than 12 deep"


@pytest.mark.parametrize(
    "text", ["[" * 65_000, "{" * 65_000, "- " * 32_000, "? " * 32_000, "a: " * 20_000, "!" * 65_000]
)
def test_p24_hostile_files_are_refused_at_once(text: str) -> None:
    begun = time.process_time()
    faults(text)
    assert time.process_time() - begun < 20


def test_p24_ten_thousand_faults_are_told_as_fifty() -> None:
    begun = time.process_time()
    assert len(faults("".join(f"field{n}: 1\n" for n in range(4_500)))) == 50
    assert time.process_time() - begun < 20


def test_names_are_words() -> None:
    assert words("? {a: b}\n: c") == "the name of a field is a word, nothing else"


def test_bytes_that_are_no_utf_8() -> None:
    assert faults(b"version: 1\n# caf\xe9\n") == [(2, 6, "", "the file is no UTF-8: save it as that")]
    assert faults(b"version: \x00")[0][3] == "this is no YAML: it has characters that can't be printed"


def test_text_that_is_no_yaml_says_where() -> None:
    line, column, _path, said = faults("version: 1\n\tagents: {}\n")[0]
    assert (line, column) == (2, 1)
    assert said.startswith("this is no YAML: found a tab character")
    assert faults("environments: [")[0][3].startswith("this is no YAML")


WRONG = """\
version: 2
environments:
  prodution:
    soak: 15m
  production:
    aprovals: {count: 1}
    approvals:
      count: 11
      from: [octocat, user:mona, role:read, "team:acme"]
      exclude: [autor]
    soak: 90
    checks: [{name: build}, {name: x, app: selfs}]
    windows: {tz: Europe/Berln, allow: ["Mon-Thu 08:00-08:00"]}
    freezes:
      - {from: 2026-12-20T00:00, to: 2025-12-20T00:00, reason: holidays}
    health: {interval: 10s, window: 20s, min_samples: 5}
    deny_paths: ["infra/**"]
    scan: {critical: "0"}
    extra_checks: [{webhook: "http://opa.example.org"}]
agents: {may: {override: [isolation]}, identities: [{name: x}]}
budgets: {limits: [{scope: project, period: day, limit: 1_000}, {scope: planet, period: day, limit: 1}]}
"""


def test_every_fault_is_told_at_once_with_its_place() -> None:
    stage = "environments.production"
    near = "; did you mean"
    login = "is a login, and logins change hands: write user:<number>; https://api.github.com/users"
    assert faults(WRONG) == [
        (1, 10, "version", '"2" is none of 1'),
        (3, 3, "environments.prodution", f'"prodution" is not known{near} "production"?'),
        (6, 5, f"{stage}.aprovals", f'this is not known{near} "approvals"?'),
        (8, 14, f"{stage}.approvals.count", '"11" is too large: 10 at most'),
        (9, 14, f"{stage}.approvals.from[0]", f'"octocat" {login}/octocat shows it as id'),
        (9, 23, f"{stage}.approvals.from[1]", f'"user:mona" {login}/mona shows it as id'),
        (
            *(9, 34, f"{stage}.approvals.from[2]"),
            '"role:read" is no role that may be named here: role:write, role:maintain or role:admin',
        ),
        (9, 45, f"{stage}.approvals.from[3]", '"team:acme" is no team: write team:organization/slug'),
        (
            *(10, 17, f"{stage}.approvals.exclude[0]"),
            f'"autor" is none of author, committers, requester, last_pusher{near} "author"?',
        ),
        (11, 11, f"{stage}.soak", "say the unit of 90: 90s, 15m, 24h or 7d"),
        (12, 14, f"{stage}.checks[0].app", "this is missing"),
        (
            *(12, 44, f"{stage}.checks[1].app"),
            '"selfs" is no app: write its number (GitHub Actions is 15368), or self',
        ),
        (
            *(13, 19, f"{stage}.windows.tz"),
            '"Europe/Berln" is no time zone that I know: did you mean Europe/Berlin?',
        ),
        (
            *(13, 41, f"{stage}.windows.allow[0]"),
            '"Mon-Thu 08:00-08:00" never opens; the whole day is 00:00-24:00',
        ),
        (
            *(15, 9, f"{stage}.freezes[0]"),
            '"to" (2025-12-20T00:00) has to be later than "from" (2026-12-20T00:00)',
        ),
        (16, 5, f"{stage}.health", "5 looks, 10s apart, do not fit in a window of 20s"),
        (17, 5, f"{stage}.deny_paths", "this does not belong here, but under agents.require"),
        (18, 22, f"{stage}.scan.critical", '"0" is not a whole number: write it without the quotes'),
        (
            *(19, 30, f"{stage}.extra_checks[0].webhook"),
            '"http://opa.example.org" is no address: it begins with https:// and carries no password',
        ),
        (20, 27, "agents.may.override[0]", "isolation can never be overridden"),
        (20, 53, "agents.identities[0]", 'say either "app" or "user", with its number'),
        (
            *(21, 57, "budgets.limits[0].limit"),
            '"1_000" is no amount of money: write 50 or 0.25, six decimals at most',
        ),
        (
            *(21, 73, "budgets.limits[1].scope"),
            '"planet" is nothing that money is counted for:'
            " project, organization, team:<slug>, agent:*, agent:<number> or pr:*",
        ),
    ]


def test_the_whole_is_told_line_by_line() -> None:
    with pytest.raises(SlipwayError) as caught:
        load(production("soak: 5\nconfirm: browser").encode())
    assert str(caught.value) == (
        "line 3, column 11: environments.production.soak: say the unit of 5: 90s, 15m, 24h or 7d\n"
        'line 4, column 14: environments.production.confirm: "browser" is none of none, comment, web'
    )
    assert str(Fault(1, 1, "", "this is wrong")) == "line 1, column 1: this is wrong"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "this list is not a mapping of names and values"),
        ("hello", '"hello" is not a mapping of names and values'),
        (production("windows: {tz: UTC, allow: []}"), "this is empty: leave it out, or say something"),
        (production("windows: {tz: localtime, allow: ['00:00-24:00']}"), '"localtime" is no time zone that I know'),
        (production("windows: {tz: ../../etc/passwd, allow: ['00:00-24:00']}"), "is no time zone that I know"),
        (production("windows: {tz: right/UTC, allow: ['00:00-24:00']}"), "is no time zone that I know"),
        (production("promote_from: [production]"), "production can't be promoted from itself"),
        (production("health: {window: 10s, warmup: 10s}"), "nothing would ever be watched"),
        (production("health: {window: 0s}"), "0s is no span of time here"),
        (production("soak: 400d"), "is longer than a year"),
        (production("freezes: [{from: soon, to: 2026-12-20}]"), "is no time: write 2026-12-20T00:00"),
        (production("extra_checks: [{}]"), 'say either "check" or "webhook"'),
        (production("extra_checks: [{webhook: 'https://x.org', timeout: 1m}]"), "10s at most"),
        ("environments: {prod: {}}", 'did you mean "production"?'),
        ("environments: {Europe: {}}", "is no name of an environment"),
        ("isolation: {memory: 512}", "is no size: write 512Mi or 1Gi"),
        ("isolation: {cpu: 0}", "is no number of cores"),
        ("isolation: {egress: ['https://x.org']}", "is no host name"),
        ("agents: {require: {deny_paths: ['/etc']}}", "they begin at the top of the tree"),
        (f"agents: {{require: {{deny_paths: ['{'x' * 201}']}}}}", "a pattern of 201 characters is too long"),
        ("override: {roles: {secrets: role:admin}}", "secrets can never be overridden"),
        ("override: {roles: {sok: role:admin}}", '"sok" is no rule that can be overridden'),
        ("override: {never: [everything]}", '"everything" is no rule'),
        ("budgets: {currency: usd}", "is no currency: three large letters"),
        ("budgets: {limits: [{scope: agent:mona, period: day, limit: 1}]}", "nothing that money is counted for"),
        (
            "budgets: {limits: [{scope: project, period: day, limit: 1}, {scope: project, period: day, limit: 2}]}",
            "project has two limits for a day: say one",
        ),
        ("inherit: none", '"none" is none of org'),
        ("soak: 5m", "this does not belong here, but under environments.production"),
        ("deployers: []", "but under environments.production"),
        (f"environments: {{{', '.join(f'e{n}: {{soak: 1m}}' for n in range(21))}}}", "too many: 20 at most"),
        (production('windows: {tz: UTC, allow: ["\\e[31m"]}'), "has signs that can't be printed"),
        (production('freezes: [{from: "\\e[31m", to: 2026-12-20}]'), "has signs that can't be printed"),
        (production("approvals: {count: true}"), '"true" is not a whole number'),
        (production("approvals: {count: 1.0}"), '"1.0" is not a whole number'),
        (production("checks: {name: build}"), "this mapping is not a list: [one, another]"),
        (production('checks: [{name: "a\\x1b[31m", app: self}]'), "has signs that can't be printed"),
    ],
)
def test_nonsense_is_refused_in_plain_words(text: str, expected: str) -> None:
    assert expected in words(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50", 50_000_000), ("'50'", 50_000_000), ("0.25", 250_000), ("0.000001", 1), ("0", 0), ("'12.50'", 12_500_000)],
)
def test_money_is_counted_in_millionths(text: str, expected: int) -> None:
    policy = load(f"budgets: {{limits: [{{scope: project, period: day, limit: {text}}}]}}".encode())
    assert merge([Layer("project", policy)]).budgets.limits[0].limit == expected


@pytest.mark.parametrize("text", ["-1", "1,5", "1.0000001", "true", "'1 000'", "99999999999"])
def test_what_is_no_money(text: str) -> None:
    assert faults(f"budgets: {{limits: [{{scope: project, period: day, limit: {text}}}]}}")


def test_what_people_write_for_a_scope() -> None:
    text = "budgets: {limits: [%s]}"
    names = {"org": "organization", "pr": "pr:*", "pull:*": "pr:*", "agent": "agent:*", "team:web": "team:web"}
    limits = ", ".join(
        f'{{scope: "{name}", period: day, limit: 1, on_limit: stop_previews}}' for name in names if name != "pr"
    )
    found = merge([Layer("project", load((text % limits).encode()))]).budgets.limits
    assert {limit.scope for limit in found} == set(names.values())
    assert {limit.on_limit for limit in found} == {"sleep_previews"}


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_is_refused(text: str) -> None:
    try:
        policy = load(text.encode("utf-8", "surrogatepass"))
    except Invalid as error:
        assert error.faults
        assert all(fault.line >= 1 and fault.column >= 1 and str(fault).isprintable() for fault in error.faults)
    else:
        assert merge([Layer("project", policy)]) is not None


NAMES = ["environments", "production", "approvals", "count", "from", "agents", "budgets", "limits", "scope"]
NAMES += ["override", "roles", "soak", "windows", "allow", "tz", "health"]
LEAVES = st.none() | st.booleans() | st.integers() | st.text("abc:{}[]&*!|>'\"%@`#,- \n", max_size=8)


def inside(shape: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(shape, max_size=3) | st.dictionaries(st.sampled_from(NAMES), shape, max_size=4)


@given(st.recursive(LEAVES, inside, max_leaves=12))
def test_any_shape_is_a_policy_or_is_refused(shape: object) -> None:
    try:
        load(json.dumps(shape).encode())
    except Invalid as error:
        assert error.faults
