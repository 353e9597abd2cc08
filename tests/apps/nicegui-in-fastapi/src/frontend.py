from fastapi import FastAPI
from nicegui import ui
def init(a: FastAPI): ui.run_with(a)
