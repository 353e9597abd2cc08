from fastapi import FastAPI

type Names = list[str]

app = FastAPI()
print(f"{"nested"}")
