from sanic import Sanic
from sanic.response import json
app = Sanic("x")
@app.get("/")
async def t(r): return json({})
if __name__=="__main__":
    app.run(host="0.0.0.0", port=8000)
