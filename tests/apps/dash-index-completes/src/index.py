from dash import html
from app import app
from apps import app1
app.layout = html.Div()
if __name__=="__main__":
    app.run_server()
