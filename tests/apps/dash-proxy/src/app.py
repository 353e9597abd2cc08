from dash_extensions.enrich import DashProxy, html
app = DashProxy(prevent_initial_callbacks=True)
if __name__=="__main__":
    app.run_server()
