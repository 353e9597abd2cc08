import sentry_sdk
from fastapi import FastAPI
from app.api.main import api_router
app = FastAPI(title="x")
