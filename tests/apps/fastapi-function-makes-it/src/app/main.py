from fastapi import FastAPI
from app.api.errors import x
def get_application() -> FastAPI:
    application = FastAPI()
    return application
app = get_application()
