"""What real tools print when they fail, and what is made of it.  The tree is /app, as in a container."""

from __future__ import annotations

import pytest

from runners.base import failures
from runners.base.failures import Fault, clean, locate, second_try

TRACEBACK = """\
starting
Traceback (most recent call last):
  File "/app/app.py", line 2, in <module>
    lib.go()
  File "/app/lib.py", line 7, in go
    return json.loads("{")
           ~~^^^^^
  File "/usr/lib/python3.11/json/decoder.py", line 353, in raw_decode
    obj, end = self.scan_once(s, idx)
               ^^^^^^^^^^^^^^^^^^^^^^
json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
"""
CAUSED = """\
Traceback (most recent call last):
  File "/app/one.py", line 3, in first
    raise KeyError("x")
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/two.py", line 5, in <module>
    one.first()
RuntimeError: no settings
"""
SYNTAX = '  File "/app/bad.py", line 4\n    def f(:\n          ^\nSyntaxError: invalid syntax\n'
IN_VENV = """\
Traceback (most recent call last):
  File "/app/.venv/bin/gunicorn", line 8, in <module>
    sys.exit(run())
  File "/deps/venv/lib/python3.11/site-packages/gunicorn/util.py", line 359, in import_app
    mod = importlib.import_module(module)
  File "/app/app.py", line 1, in <module>
    import flaskk
ModuleNotFoundError: No module named 'flaskk'
[2026-11-20 18:03:32 +0000] [7] [INFO] Worker exiting (pid: 7)
"""
SETTING = """\
Traceback (most recent call last):
  File "/app/app.py", line 9, in <module>
    url = os.environ["DATABASE_URL"]
  File "<frozen os>", line 679, in __getitem__
KeyError: 'DATABASE_URL'
"""
UV_VERSION = """\
Using Python 3.11.7 environment at: /deps/venv
error: No solution found when resolving dependencies
  cause: Because there is no version of flask==99.1 and you require flask==99.1, we can conclude that your \
requirements are unsatisfiable.
"""
UV_OLD = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because nope-xyz was not found in the package registry and you require nope-xyz, we can conclude that your
      requirements are unsatisfiable.
"""
UV_PARSE = """\
error: Couldn't parse requirement in `requirements.txt` at position 0
  cause: Unexpected end of version specifier, expected version
         flask==
              ^^
"""
UV_BUILD = """\
  × Failed to build `psycopg2==2.9.9`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)
"""
NODE_SYNTAX = """\
/app/server.js:3
const x = ;
          ^

SyntaxError: Unexpected token ';'
    at wrapSafe (node:internal/modules/cjs/loader:1464:18)
    at Module._compile (node:internal/modules/cjs/loader:1495:20)

Node.js v20.20.2
"""
NODE_THROW = """\
/app/src/db.js:1
function f(){ throw new Error("no database url") }
              ^

Error: no database url
    at f (/app/src/db.js:1:21)
    at Object.<anonymous> (/app/server.js:2:1)
    at Module._compile (node:internal/modules/cjs/loader:1521:14)

Node.js v20.20.2
"""
NODE_MODULE = """\
node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module 'expresss'
Require stack:
- /app/server.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)
    at require (node:internal/modules/helpers:182:18)
    at Object.<anonymous> (/app/server.js:5:1)
    at Module._compile (node:internal/modules/cjs/loader:1521:14) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/app/server.js' ]
}

Node.js v20.20.2
"""
NODE_ESM = """\
node:internal/modules/esm/resolve:873
  throw new ERR_MODULE_NOT_FOUND(packageName, fileURLToPath(base), null);
        ^

Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'koa' imported from /app/server.mjs
    at packageResolve (node:internal/modules/esm/resolve:873:9) {
  code: 'ERR_MODULE_NOT_FOUND'
}
"""
NODE_PORT = """\
Error: listen EADDRINUSE: address already in use :::4999
    at Server.setupListenHandle [as _listen2] (node:net:1908:16)
    at Object.<anonymous> (/app/a.js:2:32)
"""
TSC = """
> w@1.0.0 types
> tsc --noEmit

src/App.tsx(12,5): error TS2322: Type 'string' is not assignable to type 'number'.
"""
TSC_PRETTY = (
    "\x1b[96msrc/main.ts\x1b[0m:\x1b[93m1\x1b[0m:\x1b[93m7\x1b[0m - \x1b[91merror\x1b[0m\x1b[90m TS2322: \x1b[0m"
    "Type 'string' is not assignable to type 'number'.\n"
)
VITE_SYNTAX = """\
x Build failed in 45ms
error during build:
[vite:esbuild] Transform failed with 1 error:
/app/src/main.ts:2:4: ERROR: Expected ";" but found "let"
file: /app/src/main.ts:2:4
    at failureErrorWithLog (/app/node_modules/vite/node_modules/esbuild/lib/main.js:1472:15)
"""
VITE_GONE = """\
error during build:
Could not resolve "./gone" from "src/main.ts"
file: /app/src/main.ts
    at getRollupError (file:///app/node_modules/rollup/dist/es/shared/parseAst.js:355:41)
"""
VITE_MODULE = """\
error during build:
[vite]: Rollup failed to resolve import "reactt" from "/app/src/main.ts".
This is most likely unintended because it can break your application at runtime.
"""
ESBUILD = """\
✘ [ERROR] Could not resolve "reactt"

    src/main.ts:1:7:
      1 │ import "reactt"
        ╵        ~~~~~~~~
"""
NEXT = """\
Failed to compile.

./app/page.tsx:5:10
Type error: Cannot find name 'foo'.
"""
NPM_SCRIPT = (
    'npm error Missing script: "build"\nnpm error\nnpm error To see a list of scripts, run:\nnpm error   npm run\n'
)
NPM_404 = """\
npm error code E404
npm error 404 Not Found - GET https://registry.npmjs.org/left-padd-nope
npm error 404
npm error 404  The requested resource 'left-padd-nope@1' could not be found or you do not have permission to access it.
npm error A complete log of this run can be found in: /tmp/.npm/_logs/debug-0.log
"""
NPM_VERSION = """\
npm ERR! code ETARGET
npm ERR! notarget No matching version found for express@99.
npm ERR! notarget In most cases you or one of your dependencies are requesting a package version that doesn't exist.
"""
NPM_PEERS = """\
npm error code ERESOLVE
npm error ERESOLVE unable to resolve dependency tree
npm error
npm error While resolving: w@undefined
npm error Found: react@18.3.1
"""

REAL = {
    "the last frame of a traceback that is the project's": (
        TRACEBACK,
        Fault(
            "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "lib.py",
            7,
        ),
    ),
    "the last of two tracebacks": (CAUSED, Fault("RuntimeError: no settings", "two.py", 5)),
    "a syntax error without a traceback": (SYNTAX, Fault("SyntaxError: invalid syntax", "bad.py", 4)),
    "a missing module": (
        IN_VENV,
        Fault(
            "ModuleNotFoundError: No module named 'flaskk'",
            "app.py",
            1,
            "Add the package that has flaskk to the project's dependencies.",
        ),
    ),
    "a missing setting": (
        SETTING,
        Fault(
            "KeyError: 'DATABASE_URL'",
            "app.py",
            9,
            "Give the environment variable DATABASE_URL a value or a default.",
        ),
    ),
    "a version uv can't find": (
        UV_VERSION,
        Fault(
            "No solution found when resolving dependencies: Because there is no version of flask==99.1 and you require "
            "flask==99.1, we can conclude that your requirements are unsatisfiable.",
            hint="Check the versions that the project asks for.",
        ),
    ),
    "a package uv can't find": (
        UV_OLD,
        Fault("nope-xyz is not in the package registry", hint="Check the name nope-xyz."),
    ),
    "a requirement uv can't read": (
        UV_PARSE,
        Fault(
            "Couldn't parse requirement in `requirements.txt` at position 0: "
            "Unexpected end of version specifier, expected version flask==",
            "requirements.txt",
            hint="Check the versions that the project asks for.",
        ),
    ),
    "a package uv can't build": (
        UV_BUILD,
        Fault(
            "Failed to build `psycopg2==2.9.9`: The build backend returned an error Call to "
            "`setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)",
            hint="Check the versions that the project asks for.",
        ),
    ),
    "a syntax error in JavaScript": (NODE_SYNTAX, Fault("SyntaxError: Unexpected token ';'", "server.js", 3)),
    "an error that node throws": (NODE_THROW, Fault("Error: no database url", "src/db.js", 1)),
    "a missing package of node": (
        NODE_MODULE,
        Fault(
            "Error: Cannot find module 'expresss'", "server.js", 5, "Add expresss to the dependencies in package.json."
        ),
    ),
    "a missing package of a JavaScript module": (
        NODE_ESM,
        Fault(
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'koa' imported from /app/server.mjs",
            "server.mjs",
            hint="Add koa to the dependencies in package.json.",
        ),
    ),
    "a port that is taken": (
        NODE_PORT,
        Fault("It wants port 4999, which is taken.", hint="Listen on the port in the PORT environment variable."),
    ),
    "a type error": (TSC, Fault("TS2322: Type 'string' is not assignable to type 'number'.", "src/App.tsx", 12)),
    "a type error in colour": (
        TSC_PRETTY,
        Fault("TS2322: Type 'string' is not assignable to type 'number'.", "src/main.ts", 1),
    ),
    "a syntax error that vite finds": (VITE_SYNTAX, Fault('Expected ";" but found "let"', "src/main.ts", 2)),
    "a file that vite can't find": (
        VITE_GONE,
        Fault("src/main.ts imports ./gone, which is not there", "src/main.ts", hint="Commit that file."),
    ),
    "a package that vite can't find": (
        VITE_MODULE,
        Fault(
            "src/main.ts imports reactt, which is not there",
            "src/main.ts",
            hint="Add reactt to the dependencies in package.json.",
        ),
    ),
    "what esbuild says": (ESBUILD, Fault('Could not resolve "reactt"', "src/main.ts", 1)),
    "what next says": (NEXT, Fault("Type error: Cannot find name 'foo'.", "app/page.tsx", 5)),
    "a missing script": (
        NPM_SCRIPT,
        Fault('Missing script: "build"', "package.json", hint="Add that script to package.json."),
    ),
    "a package npm can't find": (
        NPM_404,
        Fault(
            "npm: The requested resource 'left-padd-nope@1' could not be found or you do not have permission to "
            "access it.",
            "package.json",
            hint="Check the name in package.json.",
        ),
    ),
    "a version npm can't find": (
        NPM_VERSION,
        Fault(
            "npm: No matching version found for express@99.", "package.json", hint="Check the version in package.json."
        ),
    ),
    "packages that don't fit": (
        NPM_PEERS,
        Fault("npm: unable to resolve dependency tree", "package.json", hint="Align the versions in package.json."),
    ),
    "a program that is not there": (
        "sh: 1: gunicorn: not found\n",
        Fault("gunicorn was not found", hint="Add what provides gunicorn to the project's dependencies."),
    ),
    "a script that is not there": (
        "bash: line 1: ./start.sh: not found\n",
        Fault("./start.sh was not found", hint="Commit that file."),
    ),
    "a program macOS can't find": (
        "sh: gunicorn: command not found\n",
        Fault("gunicorn was not found", hint="Add what provides gunicorn to the project's dependencies."),
    ),
    "an app object that is not there": (
        "[INFO] Booting worker with pid: 641\nFailed to find application object: 'application'\n"
        "[ERROR] Shutting down: Master\n",
        Fault(
            "Failed to find application object: 'application'",
            hint="Name the app object in the start command as module:object.",
        ),
    ),
    "what calls itself an error": (
        '> nest build\n\n Error  Could not find TypeScript configuration file "tsconfig.json".\n\n',
        Fault('Could not find TypeScript configuration file "tsconfig.json".'),
    ),
    "what complains": (
        "> tailwindcss -i a.css\n\nSpecified input file a.css does not exist.\nbye\n",
        Fault("Specified input file a.css does not exist."),
    ),
    "memory that ran out": (
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n",
        Fault("It ran out of memory.", hint="Use less memory, or raise SLIPWAY_MEMORY_MB."),
    ),
    "any compiler": ("src/main.c:7:3: error: expected ';'\n", Fault("expected ';'", "src/main.c", 7)),
    "python's taken port": (
        "[ERROR] Connection in use: ('127.0.0.1', 8000)\n",
        Fault("It wants port 8000, which is taken.", hint="Listen on the port in the PORT environment variable."),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_output_is_understood(name: str) -> None:
    output, fault = REAL[name]

    assert locate(output) == fault


@pytest.mark.parametrize(
    "output", ["", "all is well\n", "Error handling was improved\n", "ended\n" * 9999, "\0\x1b[31m"]
)
def test_other_output_is_not(output: str) -> None:
    assert locate(output) is None


def test_a_path_is_told_from_the_top_of_the_tree() -> None:
    assert locate(TSC, cwd="web") == Fault(
        "TS2322: Type 'string' is not assignable to type 'number'.", "web/src/App.tsx", 12
    )
    assert locate(TRACEBACK.replace("/app/", "/var/i/d1/app/"), top=("/private/x", "/var/i/d1/app"))[1] == "lib.py"  # type: ignore[index]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.py", "node_modules/a/b.js", "~/x.py", "<string>"])
def test_a_path_outside_the_project_is_no_place(path: str) -> None:
    fault = locate(f"{path}(1,5): error TS1005: ';' expected.\n", cwd="web")

    assert fault is not None and fault.path is None


def test_a_message_is_one_line_and_not_too_long() -> None:
    fault = locate(f"src/a.c:1:1: error: {'word ' * 500}\n")

    assert fault is not None and len(fault.message) == 300 and fault.message.endswith("…")


@pytest.mark.parametrize(
    "output",
    ["a" * 500_000, '  File "' * 50_000, "(" * 300_000, " at (" * 100_000, "\x1b]" * 200_000, "a:1:" * 100_000],
)
def test_hostile_output_takes_no_time(output: str) -> None:
    assert locate(output) is None


def test_colours_and_redrawn_lines_are_cleaned() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x07") == "red plain"
    assert clean("10%\r50%\r100%\ndone\r\n") == "100%\ndone\n"


def test_a_lock_that_does_not_fit_is_tried_without() -> None:
    assert second_try("npm ci --no-audit", "npm error code EUSAGE\n") == "npm install --no-audit"
    assert second_try("npm ci", "npm error code E404\n") is None
    assert second_try("yarn install", "npm error code EUSAGE\n") is None


@pytest.mark.parametrize(
    ("message", "log", "kind"),
    [
        ("ModuleNotFoundError: No module named 'flask'", "", "ModuleNotFoundError"),
        ("sqlalchemy.exc.OperationalError: no such table", "", "OperationalError"),
        ("It ended with status 1.", "Traceback (most recent call last):\nKeyError: 'HOME'", "KeyError"),
        ("It ended with status 1.", "TypeError: one\n    at x\nRangeError: two\n    at y", "RangeError"),
        ("Cannot find name 'x'", "src/a.ts(3,1): error TS2304: Cannot find name 'x'.", "TS2304"),
        ("npm: 404 Not Found", "npm error code E404\nnpm error 404 Not Found", "E404"),
        ("src/a.js imports ./b, which is not there", "", "UnresolvedImport"),
        ("flsk is not in the package registry", "", "Unresolvable"),
        ("vite was not found", "", "CommandNotFound"),
        ("It ran out of memory.", "", "OutOfMemory"),
        ("It wants port 3000, which is taken.", "", "AddressInUse"),
        ("failed to solve: process did not complete", "", "DockerBuild"),
        ("It went wrong.", "nothing to see", None),
    ],
)
def test_a_failure_has_a_class(message: str, log: str, kind: str | None) -> None:
    assert failures.kind(message, log) == kind


def test_a_log_without_end_has_a_class_in_no_time() -> None:
    assert failures.kind("x", "a.b." * 1_000_000) is None
