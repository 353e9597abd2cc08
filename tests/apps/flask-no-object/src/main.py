from flask import Flask
def main():
    app = Flask(__name__)
    @app.route("/")
    def a(): return "x"
    app.run(host="0.0.0.0")
if __name__=="__main__":
    main()
