"""What every backend promises of projects with real dependencies; slow, and needs package registries."""

from __future__ import annotations

import json

import pytest

from runners.base import Plan
from tests.runners.apps import Lines, Yard, ask

FLASK = {
    "requirements.txt": "flask>=3,<4\ngunicorn\n",
    "app.py": "import flask\napp = flask.Flask('app')\napp.add_url_rule('/', view_func=lambda: 'hello from flask')\n",
}
EXPRESS = {
    "package.json": json.dumps({"name": "app", "version": "1.0.0", "dependencies": {"express": "^4.19.2"}}),
    "server.js": "require('express')().get('/', (_, answer) => answer.send('hello from express'))"
    ".listen(process.env.PORT)\n",
}


@pytest.mark.slow
class RealApps:
    async def test_flask_with_requirements(self, yard: Yard) -> None:
        plan = Plan(
            language="python",
            kind="server",
            manifests=("requirements.txt",),
            install=("uv pip install -r requirements.txt",),
            start="gunicorn --bind 0.0.0.0:$PORT app:app",
        )

        instance = await yard.start(await yard.build(FLASK, plan))
        assert await ask(instance) == (200, "hello from flask")

        quiet = Lines()
        changed = await yard.build({**FLASK, "app.py": FLASK["app.py"].replace("hello", "bye")}, plan, quiet)
        again = await yard.start(changed, "d2")
        assert await ask(again) == (200, "bye from flask")
        assert "flask==" not in quiet.text.lower()

    async def test_express_with_a_package_file(self, yard: Yard) -> None:
        plan = Plan(
            language="node",
            kind="server",
            manifests=("package.json",),
            install=("npm install --no-audit --no-fund",),
            start="node server.js",
        )

        instance = await yard.start(await yard.build(EXPRESS, plan))

        assert await ask(instance) == (200, "hello from express")
