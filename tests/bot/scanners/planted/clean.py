"""A well-kept pair of small apps: the same things as the faulty ones do, done right.  Nothing here may stop a merge."""

from __future__ import annotations

from collections.abc import Mapping

_FLASK = '''\
"""The shop's pages."""

import hashlib
import hmac
import os
import secrets
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import defusedxml.ElementTree as ET
import requests
import yaml
from flask import Flask, abort, jsonify, render_template, request, send_from_directory, session

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
RECEIPTS = Path("/srv/receipts")
RATES = "https://rates.harbour.shop/today.json"
COLUMNS = {"name", "price"}


def shop():
    return sqlite3.connect(os.environ.get("SHOP_DB", "shop.db"))


@app.get("/")
def index():
    return render_template("index.html", name=request.args.get("name", "you"))


@app.get("/items")
def items():
    word = request.args.get("q", "")
    with shop() as connection:
        rows = connection.execute("SELECT id, name, price FROM items WHERE name = ?", (word,)).fetchall()
    return jsonify(rows)


@app.post("/remove")
def remove():
    if not session.get("admin"):
        abort(403)
    with shop() as connection:
        connection.execute("DELETE FROM items WHERE id = :id", {"id": request.form["id"]})
    return "", 204


@app.get("/receipts/<name>")
def receipt(name):
    return send_from_directory(RECEIPTS, name)


@app.get("/version")
def version():
    said = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return said.stdout


@app.get("/rates")
def rates():
    return requests.get(RATES, timeout=10).json()


@app.post("/feed")
def feed():
    return jsonify([item.text for item in ET.fromstring(request.data).iter("name")])


@app.post("/settings")
def settings():
    return jsonify(yaml.safe_load(request.data))


def stored(password):
    salt = secrets.token_bytes(16)
    return salt + hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def same(password, kept):
    return hmac.compare_digest(hashlib.scrypt(password.encode(), salt=kept[:16], n=2**14, r=8, p=1), kept[16:])


def coupon():
    return secrets.token_urlsafe(12)


def etag(text):
    return hashlib.sha256(text.encode()).hexdigest()


def scratch():
    return tempfile.NamedTemporaryFile(suffix=".csv", delete=True)


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


if __name__ == "__main__":
    app.run(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "5000")))
'''

_FLASK_TEST = """\
import os

os.environ.setdefault("SECRET_KEY", "only for the tests")

from shop.app import app, coupon, same, stored  # noqa: E402


def test_it_answers():
    assert app.test_client().get("/healthz").status_code == 200


def test_a_password_is_known_again():
    assert same("open sesame", stored("open sesame"))
    assert not same("open barley", stored("open sesame"))


def test_coupons_differ():
    assert coupon() != coupon()
"""

_FLASK_PAGE = """\
<!doctype html>
<html lang="en">
  <head><title>Shop</title></head>
  <body><h1>Hello {{ name }}</h1></body>
</html>
"""

_EXPRESS = """\
const crypto = require("crypto");
const fs = require("fs");
const { execFile } = require("child_process");
const express = require("express");
const helmet = require("helmet");
const rateLimit = require("express-rate-limit");
const session = require("cookie-session");
const jwt = require("jsonwebtoken");
const { Pool } = require("pg");

const app = express();
const db = new Pool({ connectionString: process.env.DATABASE_URL });
const FILES = new Map([
  ["terms", "/srv/shop/terms.txt"],
  ["prices", "/srv/shop/prices.txt"],
]);

app.use(helmet());
app.use(rateLimit({ windowMs: 60_000, limit: 100 }));
app.use(express.json({ limit: "20kb" }));
app.use(
  session({
    name: "shop",
    keys: [process.env.SESSION_KEY],
    secure: true,
    httpOnly: true,
    sameSite: "lax",
    domain: process.env.SHOP_DOMAIN,
    path: "/",
    maxAge: 24 * 60 * 60 * 1000,
  }),
);

app.get("/items", async (req, res, next) => {
  try {
    const { rows } = await db.query("SELECT id, name, price FROM items WHERE name = $1", [String(req.query.q)]);
    res.json(rows);
  } catch (error) {
    next(error);
  }
});

app.get("/hello", (req, res) => {
  res.render("hello", { name: req.query.name });
});

app.get("/files/:name", (req, res) => {
  const file = FILES.get(req.params.name);
  if (!file) return res.sendStatus(404);
  return fs.createReadStream(file).pipe(res.type("text"));
});

app.get("/version", (_req, res, next) => {
  execFile("git", ["rev-parse", "HEAD"], (error, out) => (error ? next(error) : res.type("text").send(out)));
});

app.get("/back", (_req, res) => res.redirect("/"));

app.get("/find", async (req, res, next) => {
  try {
    const { rows } = await db.query("SELECT name FROM items");
    const word = String(req.query.q).toLowerCase();
    res.json(rows.filter((row) => row.name.toLowerCase().includes(word)));
  } catch (error) {
    next(error);
  }
});

exports.stored = function (password) {
  const salt = crypto.randomBytes(16);
  return Buffer.concat([salt, crypto.scryptSync(password, salt, 32)]);
};

exports.same = function (password, kept) {
  return crypto.timingSafeEqual(crypto.scryptSync(password, kept.subarray(0, 16), 32), kept.subarray(16));
};

exports.token = () => crypto.randomBytes(16).toString("base64url");

exports.signed = (user) => jwt.sign({ sub: user.id }, process.env.JWT_KEY, { algorithm: "HS256", expiresIn: "1h" });

exports.who = (token) => jwt.verify(token, process.env.JWT_KEY, { algorithms: ["HS256"] }).sub;

app.use((_error, _req, res, _next) => res.sendStatus(500));

exports.app = app;
if (require.main === module) app.listen(process.env.PORT || 3000);
"""

_EXPRESS_PAGE = """\
<!doctype html>
<html lang="en">
  <head><title>Shop</title></head>
  <body><h1>Hello <%= name %></h1></body>
</html>
"""

_EXPRESS_TEST = """\
const assert = require("node:assert");
const test = require("node:test");
const { same, stored, token } = require("../server");

test("a password is known again", () => {
  assert.ok(same("open sesame", stored("open sesame")));
  assert.ok(!same("open barley", stored("open sesame")));
});

test("tokens differ", () => assert.notStrictEqual(token(), token()));
"""

_EXPRESS_PACKAGE = """\
{
  "name": "shop",
  "version": "1.0.0",
  "private": true,
  "scripts": { "start": "node server.js", "test": "node --test" },
  "dependencies": {
    "cookie-session": "2.1.1",
    "express": "5.1.0",
    "express-rate-limit": "8.1.0",
    "helmet": "8.1.0",
    "jsonwebtoken": "9.0.2",
    "pg": "8.16.3"
  }
}
"""

_PYTHON_IMAGE = """\
FROM python:3.11.9-slim-bookworm
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY shop ./shop
RUN useradd --create-home --uid 10001 shop
USER shop
EXPOSE 8000
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "shop.app:app"]
"""

_NODE_IMAGE = """\
FROM node:20.18.0-bookworm-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY server.js ./
COPY views ./views
USER node
EXPOSE 3000
CMD ["node", "server.js"]
"""

_WORKFLOW = """\
name: test
on:
  pull_request:
  push:
    branches: [main]
permissions: {}
concurrency:
  group: ${{ github.workflow }}-${{ github.ref }}
  cancel-in-progress: true
jobs:
  test:
    name: test
    runs-on: ubuntu-24.04
    permissions:
      contents: read # to fetch the source
    steps:
      - uses: actions/checkout@08eba0b27e820071cde6df949e0beb9ba4906955 # v4.3.0
        with:
          persist-credentials: false
      - name: say the title
        env:
          TITLE: ${{ github.event.pull_request.title }}
        run: echo "$TITLE"
      - run: make test
"""

_EXAMPLE = """\
# copy to .env
SECRET_KEY=change-me
DATABASE_URL=postgres://shop:change-me@localhost:5432/shop
STRIPE_KEY=sk_test_your_key_here
AWS_ACCESS_KEY_ID=
GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
"""

_COMPOSE = """\
services:
  web:
    build: .
    environment:
      DATABASE_URL: postgres://postgres:postgres@db:5432/postgres
  db:
    image: postgres:16.4
    environment:
      POSTGRES_PASSWORD: postgres
"""

FILES: Mapping[str, str] = {
    "flask/shop/__init__.py": "",
    "flask/shop/app.py": _FLASK,
    "flask/shop/templates/index.html": _FLASK_PAGE,
    "flask/tests/test_app.py": _FLASK_TEST,
    "flask/requirements.txt": "defusedxml==0.7.1\nflask==3.1.1\ngunicorn==23.0.0\npyyaml==6.0.2\nrequests==2.32.4\n",
    "flask/Dockerfile": _PYTHON_IMAGE,
    "flask/.env.example": _EXAMPLE,
    "flask/compose.yaml": _COMPOSE,
    "express/server.js": _EXPRESS,
    "express/views/hello.ejs": _EXPRESS_PAGE,
    "express/test/server.test.js": _EXPRESS_TEST,
    "express/package.json": _EXPRESS_PACKAGE,
    "express/Dockerfile": _NODE_IMAGE,
    ".github/workflows/test.yml": _WORKFLOW,
}
