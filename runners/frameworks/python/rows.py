"""The Python frameworks we know, strongest first.  To add one, add a row.

`{target}` is `module:name` of the app object or factory, `{call}` that factory called, `{module}` the module of either,
`{file}` the script.  `HOST` and `PORT` are set when a start line runs.
"""

from __future__ import annotations

import dataclasses
import re

from runners.frameworks.tree import words

GUNICORN = "gunicorn --bind $HOST:$PORT --workers 1 --threads 8 {target}"
UVICORN = "uvicorn {target} --host $HOST --port $PORT"
SCRIPT = "python {file}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One framework.  Found by an app object (`makes`), or by a script that imports it (`imports`) and `calls` it."""

    name: str | None
    package: str | None = None  # its name on PyPI
    makes: tuple[str, ...] = ()  # dotted names of what makes the app object
    start: str
    factory: str | None = None  # the start line when `{target}` is a function that makes the app
    imports: tuple[str, ...] = ()
    calls: re.Pattern[str] | None = None  # what a script of it must contain
    needs: tuple[str, ...] = ()  # servers to install when the project does not name them
    port: int = 8000
    quiet: str | None = None  # the function that must do nothing while a script's main part runs without serving


def _wsgi(name: str, *makes: str, package: str | None = None, port: int = 8000) -> Row:
    return Row(
        name=name,
        package=package or name,
        makes=makes,
        start=GUNICORN,
        factory=GUNICORN.replace("{target}", "{call}"),
        needs=("gunicorn",),
        port=port,
        quiet="flask.Flask.run" if name == "flask" else None,
    )


def _asgi(name: str, *makes: str, package: str | None = None) -> Row:
    return Row(
        name=name,
        package=package or name,
        makes=makes,
        start=UVICORN,
        factory=UVICORN.replace("{target}", "--factory {target}"),
        needs=("uvicorn",),
        quiet="uvicorn.run",
    )


def _script(
    name: str | None, *imports: str, calls: str, start: str = SCRIPT, package: str | None = None, port: int = 8000
) -> Row:
    return Row(name=name, package=package, imports=imports, calls=re.compile(calls), start=start, port=port)


_DASH = ("dash.Dash", "dash.dash.Dash", "jupyter_dash.JupyterDash", "dash_extensions.enrich.DashProxy")
_RUN = r"(?<!subprocess)(?<!asyncio)(?<!anyio)\.(?:run|run_server)\("

ROWS: tuple[Row, ...] = (
    Row(
        name="chainlit",
        package="chainlit",
        imports=("chainlit",),
        calls=re.compile(r"@(?:\w+\.)?(on_\w+|step|set_\w+)\b"),
        start="chainlit run {file} --host $HOST --port $PORT --headless",
    ),
    _asgi("fastapi", "fastapi.FastAPI", "fastapi.applications.FastAPI", "fastapi_offline.FastAPIOffline"),
    Row(
        name="reflex",
        package="reflex",
        makes=("reflex.App",),
        start="reflex run --env prod --single-port --backend-host $HOST --backend-port $PORT",
        port=3000,
    ),
    _asgi(
        "fasthtml",
        "fasthtml.common.fast_app",
        "fasthtml.common.FastHTML",
        "fasthtml.FastHTML",
        "fasthtml.fastapp.fast_app",
        package="python-fasthtml",
    ),
    _asgi("litestar", "litestar.Litestar", "litestar.app.Litestar", "starlite.Starlite"),
    _asgi("blacksheep", "blacksheep.Application", "blacksheep.server.Application"),
    _asgi("starlette", "starlette.applications.Starlette", "starlette.Starlette"),
    Row(
        name="quart",
        package="quart",
        makes=("quart.Quart", "quart.app.Quart", "quart_trio.QuartTrio"),
        start="hypercorn --bind $HOST:$PORT {target}",
        factory="hypercorn --bind $HOST:$PORT {call}",
        port=5000,
    ),
    Row(
        name="sanic",
        package="sanic",
        makes=("sanic.Sanic", "sanic.app.Sanic"),
        start="sanic {target} --host $HOST --port $PORT --single-process",
        factory="sanic {target} --factory --host $HOST --port $PORT --single-process",
    ),
    _wsgi("dash", *(f"{name}.server" for name in _DASH), port=8050),
    Row(
        name="dash",
        package="dash",
        makes=_DASH,
        start="waitress-serve --listen=$HOST:$PORT {target}.server",  # gunicorn can't name an attribute
        needs=("waitress",),
        port=8050,
    ),
    _wsgi(
        "flask",
        *("flask.Flask", "flask.app.Flask", "flask_openapi3.OpenAPI", "apiflask.APIFlask", "eve.Eve"),
        port=5000,
    ),
    _wsgi("django", "django.core.wsgi.get_wsgi_application"),
    _asgi("django", "django.core.asgi.get_asgi_application"),
    _asgi("connexion", *(f"connexion.{name}" for name in ("App", "AsyncApp", "FlaskApp"))),
    _wsgi("falcon", "falcon.App", "falcon.API"),
    _asgi("falcon", "falcon.asgi.App"),
    dataclasses.replace(  # its own bin/bottle.py hides the module from programs that are started in bin
        _wsgi("bottle", "bottle.Bottle", "bottle.default_app", port=8080),
        start=f"python -m {GUNICORN}",
        factory=f"python -m {GUNICORN}".replace("{target}", "{call}"),
    ),
    Row(
        name="aiohttp",
        package="aiohttp",
        makes=("aiohttp.web.Application",),
        start=GUNICORN.replace("{target}", "--worker-class aiohttp.GunicornWebWorker {target}").replace(
            " --threads 8", ""
        ),
        needs=("gunicorn",),
        port=8080,
        quiet="aiohttp.web.run_app",
    ),
    Row(name=None, makes=("callable.wsgi",), start=GUNICORN, needs=("gunicorn",)),
    Row(name=None, makes=("callable.asgi",), start=UVICORN, needs=("uvicorn",)),
    _script("robyn", "robyn", calls=r"\.start\(", package="robyn", port=8080),
    Row(
        name="streamlit",
        package="streamlit",
        imports=("streamlit",),
        start="streamlit run {file} --server.address $HOST --server.port $PORT --server.headless true"
        " --browser.gatherUsageStats false",
        port=8501,
    ),
    _script(
        "gradio",
        "gradio",
        calls=r"\.launch\(",
        package="gradio",
        port=7860,
        start="GRADIO_SERVER_NAME=$HOST GRADIO_SERVER_PORT=$PORT python {file}",
    ),
    _script("nicegui", "nicegui", calls=r"\bui\.run\(", package="nicegui", port=8080),
    _script(
        "marimo",
        "marimo",
        calls=r"\bmarimo\.App\(",
        package="marimo",
        port=2718,
        start="marimo run {file} --host $HOST --port $PORT --headless --no-token",
    ),
    _script(
        "shiny",
        "shiny",
        calls=r"\bApp\(|shiny\.express",
        package="shiny",
        start="shiny run --host $HOST --port $PORT {file}",
    ),
    _script(
        "solara",
        "solara",
        calls=r"@solara\.component",
        package="solara",
        port=8765,
        start="solara run {file} --host=$HOST --port=$PORT --production",
    ),
    _script(
        "panel",
        "panel",
        calls=r"\.servable\(",
        package="panel",
        port=5006,
        start="panel serve {file} --address $HOST --port $PORT --allow-websocket-origin='*'",
    ),
    _script(
        "mesop",
        "mesop",
        calls=r"@me\.page|@mesop\.page",
        package="mesop",
        port=32123,
        start="gunicorn --bind $HOST:$PORT --workers 1 --threads 8 {module}:me",
    ),
    _script("aiohttp", "aiohttp.web", calls=r"\brun_app\(|\bTCPSite\(", package="aiohttp", port=8080),
    _script("tornado", "tornado", calls=r"\.listen\(|\.bind\(", package="tornado", port=8888),
    _script("pyramid", "pyramid.config", calls=r"serve_forever\(|\bserve\(", package="pyramid", port=6543),
    _script("cherrypy", "cherrypy", calls=r"quickstart\(|engine\.start\(", package="cherrypy", port=8080),
    _script("bottle", "bottle", calls=r"(?m)^[ \t]*(bottle\.)?run\(", package="bottle", port=8080),
    _script(
        "flet",
        "flet",
        calls=r"\b(?:app|run)\(",
        package="flet",
        port=8550,
        start="FLET_FORCE_WEB_SERVER=true FLET_SERVER_IP=$HOST FLET_SERVER_PORT=$PORT python {file}",
    ),
    _script(
        "fastmcp",
        *("fastmcp", "mcp.server.fastmcp"),
        calls=r"\.run\([^()]{0,200}transport\s*=\s*[\"'](?:http|sse|streamable)",
        package="fastmcp",
    ),
    *(_script(name, name, calls=_RUN, package=name) for name in ("sanic", "quart", "litestar", "starlette", "fastapi")),
    _script("dash", "dash", calls=_RUN, package="dash", port=8050),
    _script("flask", "flask", calls=_RUN, package="flask", port=5000),
    _script(
        "google-adk",
        *("google.adk", "google.adk.agents"),
        calls=r"(?m)^root_agent\s*[:=]",
        package="google-adk",
        start="adk web --host $HOST --port $PORT .",
    ),
    _script(
        None,
        "http.server",
        "socketserver",
        "wsgiref.simple_server",
        "xmlrpc.server",
        calls=r"serve_forever\(|HTTPServer\(|TCPServer\(|handle_request\(",
    ),
    _script(
        None,
        "uvicorn",
        "hypercorn",
        "waitress",
        "gevent.pywsgi",
        "cheroot",
        "eventlet.wsgi",
        "werkzeug.serving",
        "websockets",
        "asyncio",
        calls=r"uvicorn\.run\(|\bserve\(|serve_forever\(|run_simple\(|WSGIServer\(|start_server\(",
    ),
)

_SERVE_HANDLER = (
    'import http.server, importlib, os, sys; sys.path.insert(0, ""); http.server.ThreadingHTTPServer('
    '(os.environ["HOST"], int(os.environ["PORT"])), importlib.import_module(sys.argv[1]).handler).serve_forever()'
)
HANDLER = Row(
    name=None,
    makes=("callable.handler",),
    start=f"python -c '{_SERVE_HANDLER}' {{module}}",
)

# What a Python file must name before it is worth reading closely.
NAMING = re.compile(
    r"\b(?:" + "|".join(sorted({n.split(".")[0] for r in ROWS for n in (*r.makes, *r.imports)})) + r")\b"
    r"|\b(?:create|make|build|get)_?(?:app|application)\b|\bimport (?:app|application)\b|\bstart_response\b"
)

FACTORY = re.compile(r"^_?(create|make|build|get|init)_?(\w+_)?(app|application|server)$|^app_factory$")

# Programs that serve, by the word that starts them, and the package to install when it is not named.
SERVERS = {
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "hypercorn": "hypercorn",
    "daphne": "daphne",
    "waitress-serve": "waitress",
    "granian": "granian",
    "streamlit": "streamlit",
}

# Projects without any manifest: what an import is called on PyPI.  Only well-known names, so that a misspelt import
# never installs a stranger's package.
WELL_KNOWN = {
    **{name: name for name in words(
        "flask fastapi starlette django quart sanic litestar bottle falcon aiohttp tornado streamlit gradio dash"
        " nicegui chainlit uvicorn gunicorn hypercorn waitress requests httpx pydantic jinja2 sqlalchemy pandas numpy"
        " scipy matplotlib plotly altair openai anthropic redis pymongo psycopg boto3 rich typer click markdown"
        " qrcode networkx sympy seaborn langchain websockets aiofiles orjson shiny solara panel marimo tiktoken torch"
    )},
    "flask_cors": "flask-cors", "flask_sqlalchemy": "flask-sqlalchemy", "flask_login": "flask-login",
    "flask_socketio": "flask-socketio", "flask_wtf": "flask-wtf", "flask_migrate": "flask-migrate",
    "flask_restful": "flask-restful", "flask_limiter": "flask-limiter", "flask_bcrypt": "flask-bcrypt",
    "flask_jwt_extended": "flask-jwt-extended", "PIL": "pillow", "yaml": "pyyaml", "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv", "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "jwt": "pyjwt",
    "fasthtml": "python-fasthtml", "psycopg2": "psycopg2-binary", "dateutil": "python-dateutil",
    "multipart": "python-multipart", "rest_framework": "djangorestframework", "corsheaders": "django-cors-headers",
    "whitenoise": "whitenoise", "pydantic_settings": "pydantic-settings", "socketio": "python-socketio",
    "sqlmodel": "sqlmodel", "markdown2": "markdown2", "peewee": "peewee", "apiflask": "apiflask",
}  # fmt: skip
