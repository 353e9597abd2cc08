"""What a Rails migration takes away.  Read line by line: comments and strings don't count, nor does the way back."""

from __future__ import annotations

import itertools
import re

from runners.frameworks.migrations import sql

_LONGEST = 60  # characters of what is told of a call
_TOKEN = re.compile(
    r"""
    (?P<heredoc> <<[~-]? (?P<quote>['"`]?) (?P<tag>[A-Za-z_]\w*+) (?P=quote) (?P<rest>[^\n]*) \n
        (?P<body> .*?) ^[ \t]* (?P=tag) $ )
  | (?P<comment> ^=begin\b .*? ^=end\b[^\n]* | ^__END__$ .* | \#[^\n]* )
  | (?P<string> "(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+' )
  | (?P<open> ["'] | <<[~-]?['"`]?[A-Z]\w* | ^=begin\b )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_DEF = re.compile(r"^[ \t]*def[ \t]+(?:self\.)?(\w+)", re.MULTILINE)
_CALL = re.compile(
    r"\b(remove_columns?|remove_reference|remove_belongs_to|remove_timestamps|drop_table|drop_join_table|rename_column"
    r"|rename_table|delete_all|destroy_all|truncate_tables?|t\.remove(?:_references|_timestamps)?|t\.rename)\b"
    r"(?P<of>[^\n;{|]*)"
)
_RUNS = re.compile(r"\b(?:execute|exec_query|exec_update|exec_delete|update_sql|delete_sql)\b[\s(]*(?P<first>\S?)")
UNREAD = "it can't be read as Ruby"


def rails(text: str) -> str | None:
    """What `up` or `change` loses, the first thing of it."""
    code: list[str] = []
    texts: list[tuple[int, str]] = []
    at = size = 0
    text = text.replace("\r\n", "\n")
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "open":
            return UNREAD
        code.append(text[at : token.start()])
        size += token.start() - at
        if token["comment"] is None:
            texts.append((size, token["body"] if token["heredoc"] else token[0][1:-1]))
            kept = f'""{token["rest"]}\n' if token["heredoc"] else '""'
            code.append(kept)
            size += len(kept)
        at = token.end()
    code.append(text[at:])
    return _lost("".join(code), texts)


def _lost(code: str, texts: list[tuple[int, str]]) -> str | None:
    for start, end in _forward(code):
        part = code[start:end]
        found = _CALL.search(part)
        if found:
            words = " ".join(f"{found[1]}{found['of']}".replace('"', "").split())
            return words[:_LONGEST]
        ran = [call["first"] for call in _RUNS.finditer(part)]
        if set(ran) - {'"'}:
            return sql.UNSEEN
        if ran and (lost := next((lost for at, text in texts if start <= at < end and (lost := _sql(text))), None)):
            return lost
    return None


def _sql(text: str) -> str | None:
    """Any text in a migration that runs SQL may be what is run; one with something put into it hides that."""
    return sql.destroys(re.sub(r"#\{[^}]*\}", " x ", text)) if re.search(r"\w\s", text) else None


def _forward(code: str) -> list[tuple[int, int]]:
    """Where the code of each method lies that is not the way back; what stands before the first counts as well."""
    starts = [(0, ""), *((found.start(), found[1]) for found in _DEF.finditer(code)), (len(code), "")]
    pairs = itertools.pairwise(starts)
    return [(start, after) for (start, name), (after, _next) in pairs if name not in ("down", "rollback")]
