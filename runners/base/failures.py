"""What a failed step's output says went wrong: one sentence, the file and line when they are named, and what to do.

Output is hostile: only its end is read, patterns look at one line at a time, and a path counts only when it lies
inside the project.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MOST = 128 * 1024  # characters of the log's end that are looked at
_LONGEST = 300  # characters of a message
_KIND_LINES = 60  # of the end, where the class of a failure is looked for
_FOREIGN = re.compile(r"(^|/)(node_modules|site-packages|dist-packages|\.?venv)(/|$)|^[<\[]|^node:")
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]"
)


class Fault(NamedTuple):
    """What went wrong.  `path` is relative to the tree, as GitHub wants it for an annotation."""

    message: str
    path: str | None = None
    line: int | None = None
    hint: str = ""


def clean(text: str) -> str:
    """Without colours and control characters; of a line redrawn in place only the last state is kept."""
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _ESCAPES.sub("", text)


def locate(log: str, *, top: tuple[str, ...] = ("/app",), cwd: str = ".") -> Fault | None:
    """The fault told by the end of a log; None when nothing is recognised.

    `top` are the absolute names of the tree's folder in that log, `cwd` where the step ran, relative to it."""
    text = _Text(clean(log[-_MOST:]).splitlines(), top, cwd)
    for rule in RULES:
        fault = rule(text)
        if fault:
            message = " ".join(fault.message.split())
            return fault._replace(message=message[: _LONGEST - 1] + "…" if len(message) > _LONGEST else message)
    return None


# What a failure is called, by the first of these that fits: a name that its language, its tool or we gave it.
_KINDS: tuple[tuple[re.Pattern[str], str | None], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"ran out of memory|JavaScript heap out of memory|Cannot allocate memory|OOMKilled", "OutOfMemory"),
        (r"No space left on device|ENOSPC|disk is full", "DiskFull"),
        (r"EADDRINUSE|(?i:address already in use)|which is taken", "AddressInUse"),
        (r"\b(TS\d{3,5})\b", None),
        (
            r"(?:^|\. )(?:Uncaught )?(?:[a-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning))\b(?::| \[|$)",
            None,
        ),
        (r"^npm (?:error|ERR!) code (E[A-Z0-9]+)$", None),
        (r"not in the package registry|No solution found when resolving|(?i:could not find a version)", "Unresolvable"),
        (r"(?i:failed to resolve import|could not resolve|can't resolve)", "UnresolvedImport"),
        (r"imports \S+, which is not there", "UnresolvedImport"),
        (r"(?:command )?not found$", "CommandNotFound"),
        (r"(?i:dockerfile parse error|failed to solve|returned a non-zero code)", "DockerBuild"),
        (r"(?i:timed out|took longer than|no answer within|did not answer)", "Timeout"),
    )
)


def kind(message: str, log: str = "") -> str | None:
    """The class of a failure, as agents compare it: ModuleNotFoundError, TS2304, E404, OutOfMemory.  None: unknown.

    What was made out as the fault is asked before the log, and of the log its last lines first."""
    lines = [message, *reversed(clean(log[-_MOST:]).splitlines()[-_KIND_LINES:])]
    for line in lines:
        for pattern, name in _KINDS:
            found = pattern.search(line[:1000].strip())
            if found:
                return name or found[1]
    return None


def second_try(command: str, output: str) -> str | None:
    """Another command line for an install that failed on a lock that does not fit: slower, but it does install."""
    if "EUSAGE" in output and re.search(r"\bnpm (ci|clean-install)\b", command):
        return re.sub(r"\bnpm (ci|clean-install)\b", "npm install", command)
    return None


@dataclasses.dataclass(frozen=True)
class _Text:
    lines: list[str]
    top: tuple[str, ...]
    cwd: str

    def inside(self, name: str) -> str | None:
        """A path relative to the tree, or None when it names something else."""
        name = name.removeprefix("file://")
        if _FOREIGN.search(name):
            return None
        for top in self.top:
            if name.startswith(f"{top}/"):
                return posixpath.normpath(name[len(top) + 1 :])
        if name.startswith(("/", "~")):
            return None
        path = posixpath.normpath(posixpath.join(self.cwd, name))
        return None if path.startswith("..") else path

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first line that matches."""
        return next(self.all(pattern), None)

    def all(self, pattern: str) -> Iterator[re.Match[str]]:
        compiled = re.compile(pattern)
        return (match for line in self.lines if len(line) < 4096 and (match := compiled.search(line)))

    def after(self, pattern: str, start: int = 0) -> int | None:
        """The number of the line after the first that matches."""
        compiled = re.compile(pattern)
        hits = (number for number in range(start, len(self.lines)) if compiled.search(self.lines[number]))
        first = next(hits, None)
        return None if first is None else first + 1


def _memory(text: _Text) -> Fault | None:
    if text.find(r"JavaScript heap out of memory|^MemoryError\b|Cannot allocate memory|^OOMKilled\b"):
        return Fault("It ran out of memory.", hint="Use less memory, or raise SLIPWAY_MEMORY_MB.")
    if text.find(r"No space left on device|ENOSPC"):
        return Fault("The disk is full.", hint="Free some disk space on the machine that runs Slipway.")
    return None


def _address(text: _Text) -> Fault | None:
    match = text.find(r"EADDRINUSE|(?i:(address already|connection) in use)")
    if not match:
        return None
    number = re.search(r"(?::|', )(\d{2,5})\b", match.string)
    port = f"port {number[1]}" if number else "a port"
    return Fault(f"It wants {port}, which is taken.", hint="Listen on the port in the PORT environment variable.")


def _uv(text: _Text) -> Fault | None:
    start = text.after(r"No solution found when resolving|Couldn't parse requirement")
    if start is None:
        start = text.after(r"Failed to (build|download|fetch|prepare)")
    if start is None:
        return None
    why: list[str] = []
    for line in text.lines[start : start + 8]:
        part = re.sub(r"^\s*(cause:|╰─▶|├─▶|help:|hint:|│)?\s*", "", line)
        if not part or re.fullmatch(r"[\^~ ]+", part) or (line and not line[0].isspace() and why):
            break
        why.append(part)
    told = re.sub(r"^\s*(?:error:|×|x )?\s*", "", text.lines[start - 1])
    path = re.search(r"`([\w./-]+\.(?:txt|toml|in|lock))`", told)
    missing = re.search(r"Because ([\w.-]+) was not found in the package registry", " ".join(why))
    hint = f"Check the name {missing[1]}." if missing else "Check the versions that the project asks for."
    message = f"{missing[1]} is not in the package registry" if missing else f"{told}: {' '.join(why)}"
    return Fault(message, path=text.inside(path[1]) if path else None, hint=hint)


def _python(text: _Text) -> Fault | None:
    frame = re.compile(r'^\s+File "([^"]+)", line (\d+)(?:, in .*)?$')
    place: tuple[str, int] | None = None
    fault: Fault | None = None
    within = False
    for line in text.lines:
        match = frame.match(line)
        if line.startswith("Traceback (most recent call last)"):
            place, within = None, True
        elif match:
            inside, within = text.inside(match[1]), True
            place = (inside, int(match[2])) if inside else place
        elif within and re.match(r"^[\w.]+(Error|Exception|Exit|Interrupt|Warning|Group|[a-z]\w*)?(: |$)", line):
            path, number = place or (None, None)
            fault, within = Fault(line, path, number, _python_hint(line)), False
    return fault


def _python_hint(error: str) -> str:
    missing = re.match(r"ModuleNotFoundError: No module named '([\w.]+)'", error)
    if missing:
        return f"Add the package that has {missing[1].partition('.')[0]} to the project's dependencies."
    unset = re.match(r"KeyError: '([A-Z][A-Z0-9_]+)'", error)
    return f"Give the environment variable {unset[1]} a value or a default." if unset else ""


def _typescript(text: _Text) -> Fault | None:
    match = text.find(r"^(\S[^(]*?)\((\d+),\d+\): error (TS\d+: .*)$") or text.find(
        r"^(\S[^:]*):(\d+):\d+ - error (TS\d+: .*)$"
    )
    return Fault(match[3], text.inside(match[1]), int(match[2])) if match else None


def _bundler(text: _Text) -> Fault | None:
    """Vite, Rollup, esbuild, webpack, Next."""
    match = text.find(r"^\s*(\S[^:]*):(\d+):\d+: ERROR: (.*)$")
    if match:
        return Fault(match[3], text.inside(match[1]), int(match[2]))
    match = text.find(r'(?:failed to resolve import|Could not resolve) "([^"]+)" from "([^"]+)"')
    if match:
        path = text.inside(match[2])
        return Fault(f"{path or match[2]} imports {match[1]}, which is not there", path, hint=_import(match[1]))
    start = text.after(r"^\s*(✘|X) \[ERROR\] |^Failed to compile\.")
    if start is None:
        return None
    told = re.search(r"\[ERROR\] (.*)", text.lines[start - 1])
    for number in range(start, min(start + 6, len(text.lines))):
        place = re.match(r"^\s*(\.?[\w@/][^:]*):(\d+):\d+:?$", text.lines[number])
        if place:
            following = next((line for line in text.lines[number + 1 :] if line.strip()), "")
            return Fault(told[1] if told else following, text.inside(place[1]), int(place[2]))
    return Fault(told[1]) if told else None


def _node(text: _Text) -> Fault | None:
    errors = [number for number, line in enumerate(text.lines) if re.match(r"^(Uncaught )?\w*Error\b.*: ", line)]
    if not errors or not text.find(r"^\s+at .*\(?(node:|file://|/)|^Node\.js v\d"):
        return None
    number = errors[-1]
    told = text.lines[number]
    for line in text.lines[number + 1 : number + 30]:
        frame = re.match(r"^\s+at (?:.*\()?((?:file://)?[^():]+):(\d+):\d+\)?$", line)
        inside = text.inside(frame[1]) if frame else None
        if frame and inside:
            return Fault(told, inside, int(frame[2]), _node_hint(told))
    heads = [re.match(r"^((?:file://)?/[^:]+):(\d+)$", line) for line in text.lines[max(0, number - 8) : number]]
    for head in filter(None, reversed(heads)):
        return Fault(told, text.inside(head[1]), int(head[2]), _node_hint(told))
    source = re.search(r"imported from (\S+)$", told)
    return Fault(told, text.inside(source[1]) if source else None, hint=_node_hint(told))


def _node_hint(error: str) -> str:
    match = re.search(r"Cannot find (?:module|package) '([^']+)'", error)
    return _import(match[1]) if match else ""


def _import(name: str) -> str:
    return "Commit that file." if name.startswith((".", "/")) else f"Add {name} to the dependencies in package.json."


_NPM_HINTS = {
    "E404": "Check the name in package.json.",
    "ETARGET": "Check the version in package.json.",
    "ERESOLVE": "Align the versions in package.json.",
    "EUSAGE": "Run npm install and commit package-lock.json.",
    "EJSONPARSE": "Correct package.json.",
}


def _npm(text: _Text) -> Fault | None:
    prefix = r"^npm (?:error|ERR!) "
    script = text.find(prefix + r"(Missing script: .*)$")
    if script:
        return Fault(script[1], text.inside("package.json"), hint="Add that script to package.json.")
    code = text.find(prefix + r"code (E\w+)$")
    if not code:
        return None
    start = text.after(prefix + r"code E\w+$") or 0
    rest = (re.sub(prefix + rf"({code[1]}|404|notarget|JSON\.parse)?\s*", "", line) for line in text.lines[start:])
    told = [line for line in rest if line and not line.startswith("npm ")][:3]
    message = next((line for line in told if "could not be found" in line or "peer" in line), told[0] if told else "")
    return Fault(f"npm: {message or code[1]}", text.inside("package.json"), hint=_NPM_HINTS.get(code[1], ""))


def _shell(text: _Text) -> Fault | None:
    match = text.find(r"^\S*sh: (?:line )?(?:\d+: )?(\S+?): (?:command )?not found$")
    if not match:
        return None
    hint = "Commit that file." if "/" in match[1] else f"Add what provides {match[1]} to the project's dependencies."
    return Fault(f"{match[1]} was not found", hint=hint)


def _server(text: _Text) -> Fault | None:
    """Gunicorn and uvicorn, which end without a traceback when the app object is not where it was said to be."""
    match = text.find(r"(Failed to find (?:application object|attribute).*|Error loading ASGI app\. .*)$")
    return Fault(match[1], hint="Name the app object in the start command as module:object.") if match else None


def _complaint(text: _Text) -> Fault | None:
    """The last line that calls itself an error."""
    found = list(
        text.all(r"^\W*(?:\[\w+\] )?(?i:error|fatal)(?::|\s{2,})\s*(\S.*)$|(?:does not exist|[Cc]ould not ).*$")
    )
    told = [match for match in found if not match.string.startswith("npm ")]
    return Fault(told[-1][1] or told[-1].string) if told else None


def _anything(text: _Text) -> Fault | None:
    """`path:line:column: error: words`, the shape that most compilers agree on."""
    match = text.find(r"^\s*([\w./@-]+\.\w+):(\d+)(?::\d+)?:? (?:fatal )?[Ee]rror:? (.+)$")
    return Fault(match[3], text.inside(match[1]), int(match[2])) if match else None


RULES: tuple[Callable[[_Text], Fault | None], ...] = (
    _memory,
    _address,
    _uv,
    _typescript,
    _bundler,
    _python,
    _node,
    _npm,
    _server,
    _shell,
    _anything,
    _complaint,
)
