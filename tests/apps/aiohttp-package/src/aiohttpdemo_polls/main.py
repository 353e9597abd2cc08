import logging, sys
from aiohttp import web
from aiohttpdemo_polls.db import pg
async def init_app(argv=None):
    app = web.Application()
    return app
def main(argv):
    web.run_app(init_app(argv))
if __name__=="__main__":
    main(sys.argv[1:])
