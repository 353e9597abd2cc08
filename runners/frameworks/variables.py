"""The environment variables that a project's code reads, and what its example file says of them."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping

from runners.frameworks.tree import ASIDE, Tree

MAX_FILES = 48  # of code that are read; those that settings usually lie in come first
MAX_TEXT = 200_000  # characters of one; longer ones are no source
MAX_DEFAULT = 300
MAX_READS = 1000
MAX_PARSED = 30_000  # characters of a file with declared settings
MAX_NAMES = 1000  # of files that are weighed against each other
EXAMPLES = tuple(
    f"{name}.{end}" if name else end
    for name in (".env", "env")
    for end in ("example", "sample", "template", "dist", "local.example", "development.example")
)

_NAME = r"([A-Z][A-Z0-9_]*)"
_TEXT = r"[rf]?(?:\"([^\"\n]*)\"|'([^'\n]*)')"
# name, then what stands in its place: a comma or an operator, and perhaps a text
_PYTHON = re.compile(
    rf"environ\[\s*[\"']{_NAME}[\"']\s*\](?!\s*=[^=])"
    rf"|(?:environ\.get|getenv|(?<![\w.])(?:config|env|ENV)(?:\.(?!db)[a-z_]+)?)\(\s*[\"']{_NAME}[\"']"
)
_PYTHON_REST = re.compile(
    rf"[^\S\n]{{0,99}}(?:,(?!\s*cast\s*=[^,()]*\))\s*(?:cast\s*=\s*\w+\s*,\s*)?(?:default\s*=\s*)?(?:{_TEXT})?"
    rf"|\)?\s{{0,99}}or\s+(?:{_TEXT})?)"
)
# What Django's settings are told of a database: its variable is DATABASE_URL when none is named.
_URL = re.compile(
    r"(?:dj_database_url\.config|env\.(?:dj_)?db(?:_url)?)\(([^()]{0,500}(?:\([^()]{0,200}\)[^()]{0,200})?)\)"
)
_URL_NAME = re.compile(rf"^\s*(?:env\s*=\s*|var\s*=\s*)?[\"']{_NAME}[\"']")
_URL_DEFAULT = re.compile(rf"default\s*=\s*(?:{_TEXT})?")
_NODE = re.compile(
    rf"(?:process\.env|import\.meta\.env|Bun\.env)(?:\?)?(?:\.{_NAME}\b|\[\s*[\"']{_NAME}[\"']\s*\])"
    rf"|Deno\.env\.get\(\s*[\"']{_NAME}[\"']\s*\)"
)
_NODE_REST = re.compile(rf"\s*(?:(?:\|\||\?\?)\s*(?:{_TEXT}|`([^`]*)`)?|\?(?!\.)|&&|[!=]==?|(?<!!)\)\s*\{{|=[^=>])")
_TAKEN_APART = re.compile(r"\{([^{}]{1,2000})\}\s*=\s*(?:process|import\.meta)\.env\b")
_TAKEN = re.compile(rf"\b{_NAME}\b\s*(?::\s*\w+\s*)?(=\s*(?:{_TEXT})?)?")
_OTHERS = re.compile(
    rf"(?:os\.(?:Getenv|LookupEnv)\(|\benv::var\(|env!\(|getenv\(|\benv\(|ENV\[|ENV\.fetch\(|\$_ENV\[|System\.getenv\("
    rf"|System\.(?:get_env|fetch_env!)\(|GetEnvironmentVariable\()\s*[\"']{_NAME}[\"']\s*[)\]]?"
)
_OTHERS_REST = re.compile(rf"\s*(?:,\s*(?:{_TEXT})?|(?:\?\?|\|\||\?:)\s*(?:{_TEXT})?|\.unwrap_or)")
_LINE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=(.*)$", re.MULTILINE)
_LIKELY = re.compile(
    r"(?:^|/)[^/]*(?:settings|config|env|database|db|session|prisma|auth|constants|base|production|dev|local)[^/]*$"
)
_TESTS = re.compile(
    r"(?:^|[/._-])(?:tests?|spec|e2e|cypress|__tests__|__mocks__|stories|conftest)(?:[/._-]|$)|\.d\.ts$|\.min\.js$"
)
_SOURCES = {
    (".py",): (_PYTHON, _PYTHON_REST, ("#",)),
    (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx", ".vue", ".svelte", ".astro"): (
        _NODE,
        _NODE_REST,
        ("//", "*", "/*"),
    ),
    (".go", ".rs", ".rb", ".php", ".java", ".kt", ".ex", ".exs", ".cs", ".yml.erb"): (
        _OTHERS,
        _OTHERS_REST,
        ("//", "#", "*"),
    ),
}
_ENDINGS = tuple(end for ends in _SOURCES for end in ends)


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """One place where a variable is read."""

    name: str
    path: str
    needed: bool  # nothing stands in its place
    default: str | None = None  # the text that stands there
    kind: str = ""  # the type that it is declared with, if one is


@dataclasses.dataclass(frozen=True, slots=True)
class Variables:
    """All that is known of them in one tree."""

    reads: tuple[Read, ...]
    examples: Mapping[str, str]  # of .env.example and its like
    texts: Mapping[str, str]  # the code that was looked at

    def of(self, name: str) -> list[Read]:
        return [each for each in self.reads if each.name == name]

    @property
    def names(self) -> list[str]:
        """All that are read, in the order of the files, then those that only the example names."""
        return list(dict.fromkeys([*(each.name for each in self.reads), *self.examples]))


def found(tree: Tree, above: Tree | None = None) -> Variables:
    """What the code below a folder reads.  `above`: where an example file may lie, too."""
    texts = {name: text for name in _sources(tree) if 0 < len(text := tree.text(name)) <= MAX_TEXT}
    reads = itertools.islice((each for name, text in texts.items() for each in _reads(name, text)), MAX_READS)
    return Variables(tuple(reads), examples(tree) or (examples(above) if above else {}), texts)


def examples(tree: Tree) -> dict[str, str]:
    """The example file's values, in quotes or not."""
    name = tree.first(*EXAMPLES)
    lines = _LINE.findall(tree.text(name)[:MAX_TEXT]) if name else []
    return {key: _bare(value.strip()) for key, value in lines[:MAX_READS]}


def _bare(value: str) -> str:
    if value[:1] in ("'", '"'):
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].strip() if not value.startswith("#") else ""


def _sources(tree: Tree) -> list[str]:
    """Code that may read variables, the likeliest first."""
    code = (name for name in tree.ending(*_ENDINGS) if not ASIDE.intersection(name.split("/")))
    names = itertools.islice((name for name in code if not _TESTS.search(name)), MAX_NAMES)
    return sorted(names, key=lambda name: _LIKELY.search(name.lower()) is None)[:MAX_FILES]


def _reads(path: str, text: str) -> Iterator[Read]:
    pattern, rest, comment = next(found for ends, found in _SOURCES.items() if path.endswith(ends))
    for one in pattern.finditer(text):
        before = text[text.rfind("\n", 0, one.start()) + 1 : one.start()]
        if not before.lstrip().startswith(comment):
            guarded = pattern is _NODE and before.rstrip().endswith(("if (", "if(", "!!"))
            yield _read(path, one, _instead(one, rest.match(text, one.end())), guarded=guarded)
    if pattern is _NODE:
        yield from _apart(path, text)
    elif pattern is _PYTHON:
        yield from _urls(path, text)
        if "BaseSettings" in text and len(text) <= MAX_PARSED:
            yield from _declared(path, text)


def _instead(one: re.Match[str], after: re.Match[str] | None) -> re.Match[str] | None:
    """What stands in a variable's place; a comma behind a bracket is of the list that it stands in."""
    if after and one.group().endswith(("]", ")")) and after.group().lstrip().startswith(","):
        return None
    return after


def _read(path: str, one: re.Match[str], instead: re.Match[str] | None, *, guarded: bool) -> Read:
    name = next(each for each in one.groups() if each)
    texts = [each for each in instead.groups() if each is not None] if instead else []
    return Read(name, path, instead is None and not guarded, texts[0][:MAX_DEFAULT] if texts else None)


def _apart(path: str, text: str) -> Iterator[Read]:
    """`const { A, B = "b" } = process.env`."""
    for names in _TAKEN_APART.findall(text):
        for name, other, double, single in _TAKEN.findall(names):
            yield Read(name, path, not other, double or single or None)


def named(code: str) -> str | None:
    """The variable that an expression of Python reads first."""
    found = _PYTHON.search(code)
    return next((each for each in found.groups() if each), None) if found else None


def written(node: ast.expr) -> str:
    """An expression as code; nothing for one that is thousands of parts deep."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def _urls(path: str, text: str) -> Iterator[Read]:
    for words in _URL.findall(text):
        named, default = _URL_NAME.search(words), _URL_DEFAULT.search(words)
        texts = [each for each in default.groups() if each is not None] if default else []
        yield Read(named.group(1) if named else "DATABASE_URL", path, default is None, texts[0] if texts else None)


def _declared(path: str, text: str) -> Iterator[Read]:
    """Fields of classes that are made of pydantic's BaseSettings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(parsed):
        if isinstance(node, ast.ClassDef) and any(_last(base).endswith("Settings") for base in node.bases):
            prefix = _prefix(node)
            for each in node.body:
                if (
                    isinstance(each, ast.AnnAssign)
                    and isinstance(each.target, ast.Name)
                    and _is_field(each.target.id, each)
                ):
                    yield _field(path, prefix + each.target.id.upper(), each)


def _is_field(name: str, node: ast.AnnAssign) -> bool:
    return name != "model_config" and "ClassVar" not in written(node.annotation)


def _field(path: str, name: str, node: ast.AnnAssign) -> Read:
    value = node.value
    if isinstance(value, ast.Call) and _last(value.func) == "Field":
        name, value = _told(value, name)
    if isinstance(value, ast.Constant) and value.value is ...:
        value = None
    kind = written(node.annotation)
    needed = value is None and "None" not in kind and not kind.startswith("Optional")
    default = _text(value)
    return Read(name, path, needed or default == "", default, kind)


def _told(call: ast.Call, name: str) -> tuple[str, ast.expr | None]:
    """The name and the value that `Field(...)` gives."""
    named = {word.arg: word.value for word in call.keywords}
    aliases = [said for key in ("env", "alias", "validation_alias") if (said := _text(named.get(key))) is not None]
    value = named.get("default") or named.get("default_factory") or (call.args[0] if call.args else None)
    return aliases[-1].upper() if aliases else name, value


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _prefix(node: ast.ClassDef) -> str:
    """`env_prefix` of its configuration."""
    for each in ast.walk(node):
        named: Iterable[tuple[str | None, ast.expr]] = ()
        if isinstance(each, ast.Call):
            named = ((word.arg, word.value) for word in each.keywords)
        elif isinstance(each, ast.Assign):
            named = ((_last(target), each.value) for target in each.targets)
        for name, value in named:
            if name == "env_prefix" and (said := _text(value)) is not None:
                return said.upper()
    return ""


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
