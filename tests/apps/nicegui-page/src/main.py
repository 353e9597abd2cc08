#!/usr/bin/env python3
from nicegui import app, ui
@ui.page("/")
def p(): pass
if __name__ in {"__main__","__mp_main__"}:
    ui.run(title="x")
