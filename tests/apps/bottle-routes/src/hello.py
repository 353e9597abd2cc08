from bottle import route, run, template
@route("/")
def i(): return "x"
run(host="localhost", port=8080)
