from fastapi import FastAPI

app = FastAPI()


@app.get("/api/todos")
def todos():
    return []
