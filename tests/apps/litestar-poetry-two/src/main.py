from litestar import Litestar, get
@get("/")
async def i() -> str: return "x"
app = Litestar([i])
