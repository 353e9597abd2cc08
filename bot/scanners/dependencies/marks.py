"""Where in a file a name stands.  One pass over the text, so that a hostile file costs no more than its size."""

from __future__ import annotations

import bisect
import json
import re
from collections import defaultdict

_JSON_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
_TOML_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|^\s*([\w.-]+)\s*=')
_TOML_HEADER = re.compile(r"\s*\[{1,2}([^\[\]#]+)\]")


class Marks:
    """The lines on which words stand."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, list[int]] = defaultdict(list)
        self.headers: defaultdict[str, list[int]] = defaultdict(list)

    @classmethod
    def of_json(cls, text: str) -> Marks:
        marks = cls()
        for number, line in enumerate(text.split("\n"), 1):
            for found in _JSON_STRING.finditer(line):
                if found[2]:
                    marks._lines[_plain(found[1])].append(number)
        return marks

    @classmethod
    def of_toml(cls, text: str) -> Marks:
        marks = cls()
        for number, line in enumerate(text.split("\n"), 1):
            header = _TOML_HEADER.match(line)
            if header:
                marks.headers[header[1].replace('"', "").replace("'", "").strip()].append(number)
            for found in _TOML_WORD.finditer(line):
                marks._lines[found[1] or found[2] or found[3] or ""].append(number)
        return marks

    def line(self, word: str, after: int = 0) -> int:
        """The first line from `after` on that has the word, else the first of all, else 0."""
        lines = self._lines.get(word)
        if not lines:
            return 0
        at = bisect.bisect_left(lines, after)
        return lines[at] if at < len(lines) else lines[0]

    def header(self, name: str) -> int:
        return self.headers[name][0] if name in self.headers else 0


def _plain(text: str) -> str:
    """What a JSON string says, without its escapes."""
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
