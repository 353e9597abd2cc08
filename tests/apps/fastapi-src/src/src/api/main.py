from fastapi import FastAPI

from api.store import rows

app = FastAPI()


@app.get("/")
def home() -> dict[str, str]:
    return {"hello": "world"}
