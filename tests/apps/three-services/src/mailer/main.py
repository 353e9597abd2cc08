from fastapi import FastAPI

app = FastAPI()


@app.get("/send")
def todos():
    return []
