from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello"


def init_db():
    pass


if __name__ == "__main__":
    init_db()
    app.run(debug=True)
