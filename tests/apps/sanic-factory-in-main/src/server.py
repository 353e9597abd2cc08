from sanic import Sanic
def create_app(name):
    app = Sanic(name)
    return app
if __name__=="__main__":
    app = create_app("x")
    app.run()
