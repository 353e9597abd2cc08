#!/usr/bin/env -S uv run --script
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "starlette>=0.40",
#     "uvicorn",
# ]
# ///
import uvicorn
from starlette.applications import Starlette

app = Starlette()

if __name__ == "__main__":
    uvicorn.run(app)
