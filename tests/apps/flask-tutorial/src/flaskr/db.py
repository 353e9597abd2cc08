import sqlite3
from flask import current_app
def init_app(app): pass
