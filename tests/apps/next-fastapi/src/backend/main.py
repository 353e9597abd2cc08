from fastapi import APIRouter, FastAPI

router = APIRouter(prefix="/api/v1")
app = FastAPI()
app.include_router(router)
