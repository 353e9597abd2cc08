"""What SQL takes away, read word by word: comments and strings never count, what can't be read counts as the worst.

No dialect is known, so where two read the same text differently, the reading that destroys is believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runners.frameworks.tree import words as table

MOST_WORDS = 400_000  # of one text; beyond that it can't be read
_DEEPEST = 4  # DO blocks in DO blocks

_SPACE = r"[^\S\n]*"
# In strings a quote is doubled, or, in some dialects, comes after a backslash.
_SIGNS = r"""
    (?P<comment> --[^\n]* | /\* [^*]* \*+ (?: [^/*] [^*]* \*+ )* / )
  | (?P<string> '(?:{quoted}'')*+' )
  | (?P<name> "(?:[^"]|"")*+" | `(?:[^`]|``)*+` )
  | (?P<dollar> \$(?P<tag>[A-Za-z_]\w*)?\$ (?P<body> .*? ) \$(?(tag)(?P=tag))\$ )
  | (?P<word> [A-Za-z_@\#][\w@\#$]* )
  | (?P<end> ; )
  | (?P<open> ['"`] | /\* | \$(?:[A-Za-z_]\w*)?\$ )
  | (?P<sign> \S )
"""
_PLAIN = re.compile(_SIGNS.format(quoted="[^']|"), re.VERBOSE | re.DOTALL)
_MYSQL = re.compile(r"/\*!\d*")  # no comment to MySQL, which runs what stands in it
_BACKSLASH = re.compile(_SIGNS.format(quoted=r"[^'\\]|\\.|"), re.VERBOSE | re.DOTALL)

# Lines by which one file has both ways; what leads back is not run on the way forward.
_BACK = re.compile(
    rf"^{_SPACE}--{_SPACE}(?:\+goose{_SPACE}down|\+migrate{_SPACE}down|migrate:down|//@undo)\b", re.IGNORECASE
)
_FORTH = re.compile(rf"^{_SPACE}--{_SPACE}(?:\+goose{_SPACE}up|\+migrate{_SPACE}up|migrate:up)\b", re.IGNORECASE)

# What can go without any query noticing, but by its speed or by what is let in.
_SAFE_DROPS = table(
    "INDEX CONSTRAINT DEFAULT NOT IDENTITY EXPRESSION POLICY TRIGGER STATISTICS FOREIGN PRIMARY CHECK KEY RULE"
    " TEMPORARY UNIQUE CONCURRENTLY EVENT"
)
_KINDS = table("TABLE COLUMN VIEW SCHEMA DATABASE TYPE SEQUENCE FUNCTION PROCEDURE EXTENSION DOMAIN ROLE")
# Some of them are fine names for a column, and then nothing comes after.
_ENDS = frozenset(["", ",", "CASCADE", "RESTRICT"])
_NAMES = table("INDEX POLICY TRIGGER STATISTICS KEY RULE TEMPORARY EVENT")
_SAFE_RENAMES = table("INDEX CONSTRAINT KEY")
# After these, DELETE and TRUNCATE name an event or a right.
_NO_DEED = table("ON AFTER BEFORE OR OF FOR GRANT REVOKE ,")
_SKIP = table("IF EXISTS ONLY FROM MATERIALIZED [")
_LONGEST = 60  # characters of a name that is told
_EXECUTE = re.compile(r"\bEXECUTE\b(?!\s+(?:FUNCTION|PROCEDURE)\b)", re.IGNORECASE)
UNSEEN = "runs SQL that it puts together itself"


class Unread(Exception):
    """It can't be read: a string or comment that never ends, or too much of it."""


def destroys(text: str) -> str | None:
    """What is lost, in words; None: nothing that can be told."""
    text = _MYSQL.sub(" ", forward(text))
    ways = [_PLAIN, _BACKSLASH] if "\\'" in text else [_PLAIN]
    found: list[str | None] = []
    for way in ways:
        try:
            found.append(_lost(text, way, 0))
        except Unread:
            continue
    if not found:
        return "its SQL can't be read"
    return next((words for words in found if words), None)


def forward(text: str) -> str:
    """Without the parts that lead back, in files that have both."""
    kept, back = [], False
    for line in text.split("\n"):
        if _BACK.match(line):
            back = True
        elif _FORTH.match(line):
            back = False
        if not back:
            kept.append(line)
    return "\n".join(kept)


def _lost(text: str, way: re.Pattern[str], depth: int) -> str | None:
    """The first thing that is lost.  Raises Unread."""
    if depth > _DEEPEST:
        raise Unread
    for words, bodies in _statements(text, way):
        found = _statement(words)
        if found:
            return found
        if words and words[0].upper() not in ("DO", "DELIMITER"):
            continue  # a text, or the body of a function, which is not run now
        for body in bodies:
            if _EXECUTE.search(body):
                return UNSEEN
            if found := _lost(body, way, depth + 1):
                return found
    return None


def _statements(text: str, way: re.Pattern[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Each statement's words and signs, and what stands in dollar quotes."""
    words: list[str] = []
    bodies: list[str] = []
    for count, token in enumerate(way.finditer(text)):
        kind = token.lastgroup
        if count > MOST_WORDS or kind == "open":
            raise Unread
        if kind == "end":
            yield words, bodies
            words, bodies = [], []
        elif kind == "dollar":
            bodies.append(token["body"])
        elif kind == "name":
            words.append('"' + token[0][1:-1])  # never taken for a word of the language
        elif kind in ("word", "sign"):
            words.append(token[0])
        elif kind == "string":
            words.append("'")
    yield words, bodies


def _statement(words: Sequence[str]) -> str | None:
    upper = [word.upper() for word in words]
    if upper[:1] in (["EXEC"], ["EXECUTE"]):
        return UNSEEN
    for at, word in enumerate(upper):
        rule = _DEEDS.get(word)
        if rule and (found := rule(words, upper, at)):
            return found
    return None


def _drop(words: Sequence[str], upper: Sequence[str], at: int) -> str | None:
    after, then = (upper[at + n] if at + n < len(upper) else "" for n in (1, 2))
    alters = upper[0] == "ALTER"
    if after in _SAFE_DROPS and not (alters and after in _NAMES and then in _ENDS):
        return None
    if after in ("", "(", ")", ",", "."):
        return None
    kind = after.lower() if after in _KINDS else "column" if alters else "object"
    return f"drops the {kind} {_name(words, at + 1)}"


def _truncate(words: Sequence[str], upper: Sequence[str], at: int) -> str | None:
    if _after(upper, at) in _NO_DEED or upper[at + 1 : at + 2] == ["("]:
        return None
    return f"empties the table {_name(words, at + 1)}"


def _delete(words: Sequence[str], upper: Sequence[str], at: int) -> str | None:
    if _after(upper, at) in _NO_DEED or len(upper) == 1:
        return None
    return f"deletes rows of {_name(words, at + 1)}"


def _rename(words: Sequence[str], upper: Sequence[str], at: int) -> str | None:
    if upper[:2] in (["ALTER", "INDEX"], ["ALTER", "SEQUENCE"]) or len(upper) == at + 1:
        return None
    if upper[0] not in ("ALTER", "RENAME") or upper[at + 1] in _SAFE_RENAMES:
        return None
    return f"renames {_name(words, 1)}, or part of it"


def _sp_rename(_words: Sequence[str], _upper: Sequence[str], _at: int) -> str | None:
    """SQL Server's."""
    return "renames something"


def _change(words: Sequence[str], upper: Sequence[str], at: int) -> str | None:
    """MySQL's way to rename a column, and to change its type when it keeps its name."""
    if upper[:2] != ["ALTER", "TABLE"] or at == 2:
        return None
    names = [word.strip('"').lower() for word in words[at + 1 :] if word.upper() != "COLUMN"][:2]
    return f"renames the column {names[0][:_LONGEST]}" if len(names) == 2 and names[0] != names[1] else None


_DEEDS = {
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "DELETE": _delete,
    "RENAME": _rename,
    "CHANGE": _change,
    "SP_RENAME": _sp_rename,
}


def _after(upper: Sequence[str], at: int) -> str:
    return upper[at - 1] if at else ""


def _name(words: Sequence[str], at: int) -> str:
    """The name that stands there, with its schema."""
    while at < len(words) and words[at].upper() in _SKIP | _KINDS:
        at += 1
    name = words[at : at + 1]
    while words[at + 1 : at + 2] == ["."] and at + 2 < len(words):
        at += 2
        name = [*name, words[at]]
    return ".".join(word.strip('"') for word in name)[:_LONGEST] or "?"
