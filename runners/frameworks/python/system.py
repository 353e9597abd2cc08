"""Programs and libraries of the machine that Python packages need, as Debian names them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from runners.base import Plan

# What installs from a wheel and needs a library or a program when it runs.
_RUNS_WITH = {
    "pdf2image": "poppler-utils",
    "pydub": "ffmpeg",
    "moviepy": "ffmpeg",
    "ffmpeg-python": "ffmpeg",
    "openai-whisper": "ffmpeg",
    "yt-dlp": "ffmpeg",
    "pyzbar": "libzbar0",
    "pytesseract": "tesseract-ocr",
    "python-magic": "libmagic1",
    "opencv-python": "libgl1 libglib2.0-0",
    "opencv-contrib-python": "libgl1 libglib2.0-0",
    "weasyprint": "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    "cairosvg": "libcairo2",
    "graphviz": "graphviz",
    "pygraphviz": "graphviz libgraphviz-dev gcc pkg-config",
    "pypandoc": "pandoc",
    "pdfkit": "wkhtmltopdf",
    "geoalchemy2": "libgeos-c1v5",
    "soundfile": "libsndfile1",
    "librosa": "libsndfile1",
    "gitpython": "git",
    "pyodbc": "unixodbc",
}
# What is built on the spot, because nobody offers it ready.
_BUILT_WITH = {
    "psycopg2": "gcc libpq-dev",
    "psycopg-c": "gcc libpq-dev",
    "psycopg": "libpq5",
    "mysqlclient": "gcc default-libmysqlclient-dev pkg-config",
    "pycairo": "gcc libcairo2-dev pkg-config",
    "pyaudio": "gcc portaudio19-dev",
    "python-ldap": "gcc libldap2-dev libsasl2-dev",
    "uwsgi": "gcc",
    "xmlsec": "gcc libxmlsec1-dev pkg-config",
    "pygobject": "gcc libcairo2-dev libgirepository1.0-dev pkg-config",
}
_READY = {"psycopg": "psycopg-binary", "psycopg2": "psycopg2-binary"}  # needs nothing where that one is asked for too


def needed(plan: Plan, names: Iterable[str]) -> Plan:
    """The plan with the system packages that these Python packages need, by name, and the evidence."""
    asked = frozenset(names)
    table = {**_RUNS_WITH, **_BUILT_WITH}
    wanting = sorted(name for name in asked & table.keys() if _READY.get(name) not in asked)
    if not wanting:
        return plan
    packages = {word for name in wanting for word in table[name].split()}
    why = {**plan.why, "system_packages": f"{', '.join(wanting)} need{'s' * (len(wanting) == 1)} them"}
    return dataclasses.replace(plan, system_packages=tuple(sorted(packages)), why=why)
