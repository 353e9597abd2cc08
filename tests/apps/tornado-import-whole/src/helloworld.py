import asyncio
import tornado
from tornado.options import define, options
class M(tornado.web.RequestHandler):
    def get(self): self.write("x")
async def main():
    application = tornado.web.Application([(r"/", M)])
    http_server = tornado.httpserver.HTTPServer(application)
    http_server.listen(options.port)
    await asyncio.Event().wait()
if __name__=="__main__":
    asyncio.run(main())
