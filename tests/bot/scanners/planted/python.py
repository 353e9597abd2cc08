"""Python as it should not be written: a shop's pages, its nightly jobs, its sign-in."""

from __future__ import annotations

from collections.abc import Mapping

_PAGES = """\
import sqlite3
import subprocess

import jinja2
from flask import Flask, redirect, render_template_string, request, send_file

app = Flask(__name__)
shop = sqlite3.connect("shop.db", check_same_thread=False)


@app.get("/items")
def items():
    word = request.args["q"]
    return shop.execute(f"SELECT * FROM items WHERE name = '{word}'").fetchall()  ⟪ SQL by f-string


@app.get("/orders")
def orders():
    who = request.args["who"]
    query = "SELECT * FROM orders WHERE customer = '{}'".format(who)  ⟪ SQL by format
    return shop.execute(query).fetchall()


@app.get("/customers")
def customers():
    town = request.args["town"]
    return shop.execute("SELECT * FROM customers WHERE town = '%s'" % town).fetchall()  ⟪ SQL by percent


@app.post("/remove")
def remove():
    number = request.form["id"]
    shop.execute("DELETE FROM items WHERE id = " + number)  ⟪ SQL by concatenation
    return "gone"


@app.get("/ping")
def ping():
    host = request.args["host"]
    return subprocess.check_output(f"ping -c 1 {host}", shell=True)  ⟪ shell=True


@app.get("/price")
def price():
    sum_of = request.args["sum"]
    return str(eval(sum_of))  ⟪ eval


@app.get("/hello")
def hello():
    name = request.args.get("name", "")
    return render_template_string("<h1>Hello " + name + "</h1>")  ⟪ template injection


@app.get("/receipt")
def receipt():
    name = request.args["file"]
    return send_file("/srv/receipts/" + name)  ⟪ path traversal


@app.get("/back")
def back():
    where = request.args["next"]
    return redirect(where)  ⟪ open redirect


@app.get("/page")
def page():
    places = jinja2.FileSystemLoader("pages")

    pages = jinja2.Environment(loader=places, autoescape=False)  ⟪ autoescape off
    return pages.get_template("page.html").render(request.args)


if __name__ == "__main__":
    port = 8080

    app.run(host="0.0.0.0", port=port)  ⟪ listens everywhere
"""

_JOBS = """\
import os
import pickle
import random
import ssl
import tarfile
import tempfile
import urllib.request
import xml.etree.ElementTree as ET

import paramiko
import requests
import yaml


def resume(path):
    with open(path, "rb") as file:

        return pickle.load(file)  ⟪ pickle


def settings(text):
    if not text:
        return {}
    return yaml.load(text, Loader=yaml.Loader)  ⟪ yaml.load


def scratch():

    return tempfile.mktemp(suffix=".csv")  ⟪ tempfile.mktemp


def stock(url):
    headers = {"accept": "application/json"}

    return requests.get(url, headers=headers, verify=False, timeout=10).json()  ⟪ certificate not verified


def feed(text):
    if not text:
        return None
    return ET.fromstring(text)  ⟪ XML of strangers


def unlock(host):
    client = paramiko.SSHClient()

    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  ⟪ any host key

    return client.connect(host, timeout=10)


def backup(folder):
    if not folder:
        return

    os.system("tar czf /backup/shop.tgz " + folder)  ⟪ os.system


def restore(archive):
    with tarfile.open(archive) as files:

        files.extractall("/srv/shop")  ⟪ tar of strangers


def coupon():
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

    return "".join(random.choice(letters) for _ in range(12))  ⟪ random for tokens


def rates(url):
    unchecked = {"timeout": 10}

    unchecked["context"] = ssl._create_unverified_context()  ⟪ TLS without verification

    return urllib.request.urlopen("https://rates.harbour.shop", **unchecked).read()


def share(path):
    if not path:
        return

    os.chmod(path, 0o777)  ⟪ writable for all


def plug(source):
    scope = {}

    exec(source, scope)  ⟪ exec

    return scope
"""

_SIGN_IN = """\
import hashlib

import jwt
from Crypto.Cipher import DES
from flask import Flask

app = Flask(__name__)


def stored(text):
    salted = "shop" + text

    return hashlib.md5(salted.encode()).hexdigest()  ⟪ md5 for passwords


def legacy(text):
    salted = "shop" + text

    return hashlib.new("sha1", salted.encode()).hexdigest()  ⟪ sha1 for passwords


def sealed(key, text):
    padded = text.ljust(8)

    return DES.new(key, DES.MODE_ECB).encrypt(padded)  ⟪ DES


def who(token):
    if not token:
        return None

    return jwt.decode(token, options={"verify_signature": False})["sub"]  ⟪ token not verified


def refund(user, order):
    order.seen = True

    assert user.is_admin  ⟪ assert as a guard

    order.refund()


class Database:
    host = "db.harbour.shop"

    user = "shop"

    password = "kraken-lives-here"  ⟪ hard-coded password


if __name__ == "__main__":
    port = 5000

    app.run(port=port, debug=True)  ⟪ debugger for all
"""

FILES: Mapping[str, str] = {"shop/pages.py": _PAGES, "shop/jobs.py": _JOBS, "shop/sign_in.py": _SIGN_IN}
