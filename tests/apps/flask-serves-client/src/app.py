from flask import Flask, send_from_directory

app = Flask(__name__)


@app.route("/api/items")
def items():
    return []


@app.route("/")
def page():
    return send_from_directory("web_files", "index.html")
