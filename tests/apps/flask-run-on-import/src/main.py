import flask
app = flask.Flask("x")
app.config["DEBUG"]=True
app.run()
