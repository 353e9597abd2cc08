"""From files to an answer out of a database of its own: nothing but the files says that one is wanted.

Slow, and needs package registries; Debian's packages once, to make the databases' images.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from runners.base import Artifact, Instance, StartFailed
from runners.frameworks import Tree, detect
from tests.runners.apps import Yard, a_source, ask
from tests.runners.docker import databases
from tests.runners.docker.conftest import NewRunner

pytestmark = [pytest.mark.docker, pytest.mark.slow]

DJANGO = {
    "requirements.txt": "django>=5,<6\npsycopg[binary]\n",
    "manage.py": "import os\nimport sys\n\nfrom django.core.management import execute_from_command_line\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nexecute_from_command_line(sys.argv)\n",
    "shop/__init__.py": "",
    "shop/settings.py": "import os\n\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'shop.urls'\n"
    "INSTALLED_APPS = ['shop']\nWSGI_APPLICATION = 'shop.wsgi.application'\n"
    "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    "DATABASES = {\n    'default': {\n        'ENGINE': 'django.db.backends.postgresql',\n"
    "        'HOST': os.environ['POSTGRES_HOST'],\n        'NAME': os.environ['POSTGRES_DB'],\n"
    "        'USER': os.environ['POSTGRES_USER'],\n        'PASSWORD': os.environ['POSTGRES_PASSWORD'],\n    }\n}\n",
    "shop/models.py": "from django.db import models\n\n\nclass Visit(models.Model):\n"
    "    path = models.CharField(max_length=50)\n",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": "from django.db import migrations, models\n\n\n"
    "class Migration(migrations.Migration):\n    operations = [\n        migrations.CreateModel(\n"
    "            name='Visit',\n            fields=[\n                ('id', models.BigAutoField(primary_key=True)),\n"
    "                ('path', models.CharField(max_length=50)),\n            ],\n        ),\n    ]\n",
    "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path, re_path\n\n"
    "from shop.models import Visit\n\n\ndef visit(request):\n    Visit.objects.create(path=request.path)\n"
    "    return HttpResponse(f'{Visit.objects.filter(path=request.path).count()} visits')\n\n\n"
    "urlpatterns = [re_path('.*', visit)]\n",
    "shop/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n",
}
FLASK = {
    "requirements.txt": "flask>=3,<4\nredis\n",
    "app.py": "import os\n\nfrom flask import Flask\nfrom redis import Redis\n\napp = Flask(__name__)\n"
    "store = Redis.from_url(os.environ['REDIS_URL'])\n\n\n@app.get('/<path:path>')\ndef visit(path):\n"
    "    return f'{store.incr(path)} visits'\n\n\n@app.get('/')\ndef index():\n    return 'hello'\n",
}


@pytest.fixture
def yard(new_runner: NewRunner, tmp_path: Path) -> Yard:
    images = {kind: databases.image(kind) for kind in ("postgresql", "redis")}
    return Yard(new_runner(images={"python": os.environ["SLIPWAY_IMAGE_PYTHON"], **images}), tmp_path)


async def built(yard: Yard, files: dict[str, str]) -> Artifact:
    return await yard.build(files, detect(Tree.read(a_source(yard.folder, files).path)))


async def visits(instance: Instance) -> list[str]:
    return [(await ask(instance, "/page"))[1] for _ in range(2)]


async def test_django_with_postgresql_wanted_gets_one_migrated(yard: Yard) -> None:
    artifact = await built(yard, DJANGO)

    one = await yard.start(artifact, "d1")
    assert await visits(one) == ["1 visits", "2 visits"]

    two = await yard.start(artifact, "d2")
    assert await visits(two) == ["1 visits", "2 visits"]
    assert await visits(one) == ["3 visits", "4 visits"]
    assert "Applying shop.0001_initial... OK" in yard.log.text


async def test_a_migration_that_fails_is_told_with_its_file(yard: Yard) -> None:
    wrong = DJANGO["shop/migrations/0001_initial.py"].replace("max_length=50", "max_length=fifty")
    artifact = await built(yard, {**DJANGO, "shop/migrations/0001_initial.py": wrong})

    with pytest.raises(StartFailed) as failed:
        await yard.start(artifact)

    assert (failed.value.step, failed.value.path) == ("prepare", "shop/migrations/0001_initial.py")
    assert "fifty" in str(failed.value)


async def test_flask_with_redis_wanted_gets_one(yard: Yard) -> None:
    instance = await yard.start(await built(yard, FLASK))

    assert await visits(instance) == ["1 visits", "2 visits"]


async def test_a_plan_from_before_databases_starts_as_it_did(yard: Yard) -> None:
    files = {**FLASK, "app.py": FLASK["app.py"].replace("os.environ['REDIS_URL']", "'redis://nowhere'")}
    artifact = await built(yard, files)
    old = {name: value for name, value in artifact.plan.items() if name not in ("backing", "prepare", "wants")}

    instance = await yard.start(dataclasses.replace(artifact, plan=old))

    assert await ask(instance) == (200, "hello")
