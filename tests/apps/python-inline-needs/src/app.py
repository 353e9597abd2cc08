# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "flask",
#   "gunicorn>=21",
# ]
# ///
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello"
