from aiohttp import web


def make():
    return web.Application()


if __name__ == "__main__":
    web.run_app(make())
