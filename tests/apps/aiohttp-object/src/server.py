from aiohttp import web
async def h(r): return web.Response()
app = web.Application()
app.add_routes([web.get("/", h)])
if __name__=="__main__":
    web.run_app(app)
