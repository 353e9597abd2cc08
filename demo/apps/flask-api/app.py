"""A tiny shop: a JSON API, and one page that shows it."""

import os

from flask import Flask, jsonify, render_template, request

app = Flask(__name__)
GREETING = "Hello from the shop"
STOCK = [
    {"id": 1, "name": "Rope, 30 m", "price": 24},
    {"id": 2, "name": "Lantern", "price": 18},
    {"id": 3, "name": "Brass compass", "price": 61},
]


@app.get("/")
def index():
    return render_template("index.html", greeting=GREETING, stock=STOCK)


@app.get("/api/items")
def items():
    word = request.args.get("q", "").lower()
    return jsonify([item for item in STOCK if word in item["name"].lower()])


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


if __name__ == "__main__":
    app.run(host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "5000")))
