"""What configuration files written in JavaScript say, as far as their text shows; nothing of them is run."""

from __future__ import annotations

import re

_CALLED = re.compile(
    r"(?:path\.|posix\.)?(?:resolve|join)\(\s*(?:__dirname|import\.meta\.dirname|process\.cwd\(\)|dirname|root|\w*[dD]ir\w*)"
    r"\s*,\s*([^)\n]{1,200})\)"
)
_ADDRESS = re.compile(r"new\s+URL\(\s*['\"`]([\w@./-]{1,200})['\"`]\s*,\s*import\.meta\.url")
_WORD = re.compile(r"['\"`]([\w@./-]{1,200})['\"`]")
_BRACE = re.compile(r"[{}]")
_NEAR = 300  # characters after a name that belong to its value


def setting(code: str, name: str) -> str | None:
    """The text that `name: "text"` gives; paths without what means nothing."""
    found = re.search(rf"\b{name}\s*[:=]\s*['\"`](?:\./)?([\w@./-]+?)/?['\"`]", code)
    return found.group(1) if found else None


def path(code: str, name: str) -> tuple[str, bool] | None:
    """The folder of `name`, and whether it is said from where the file lies: `path.resolve(__dirname, "out")`."""
    found = re.search(rf"(?<![\w.]){name}\s*:\s*", code)
    if found is None:
        return None
    value = code[found.end() : found.end() + _NEAR]
    plain = _WORD.match(value)
    if plain:
        return plain.group(1), False
    called = _CALLED.match(value)
    words = _WORD.findall(called.group(1)) if called else _ADDRESS.findall(value.partition("\n")[0])
    return ("/".join(words), True) if words else None


def folder(code: str, name: str) -> str | None:
    """The folder of `name`, seen from where the file lies."""
    found = path(code, name)
    return joined("", found[0]) if found else None


def block(code: str, name: str) -> str:
    """What stands in the braces of the first `name: { ... }`; "" when there are none."""
    found = re.search(rf"(?<![\w.]){name}\s*:\s*\{{", code)
    if found is None:
        return ""
    depth = 1
    for brace in _BRACE.finditer(code, found.end()):
        depth += 1 if brace.group(0) == "{" else -1
        if depth == 0:
            return code[found.end() : brace.start()]
    return code[found.end() :]


def shallow(code: str) -> str:
    """Without what stands in the braces and brackets of named settings: what is left are settings of the file's own.

    `test: { root: "x" }` goes, `defineConfig({ root: "x" })` stays."""
    kept: list[str] = []
    at, level = 0, 0
    for found in re.finditer(r"(?<![\w.])\w+\s*:\s*[\[{]|[{}\[\]]", code):
        word = found.group(0)
        if level == 0 and len(word) > 1:
            kept.append(code[at : found.start()])
            level = 1
        elif level:
            level += 1 if word[-1] in "{[" else -1
            if level == 0:
                at = found.end()
    if level == 0:
        kept.append(code[at:])
    return "".join(kept)


def joined(base: str, path: str) -> str:
    """A path seen from the top, without what means nothing; "" is the top itself."""
    parts: list[str] = []
    for part in f"{base}/{path}".split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
