from flask import Flask


def make_it():
    return Flask(__name__)
