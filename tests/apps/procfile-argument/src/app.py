import http.server

http.server.HTTPServer(("", 1), None).serve_forever()
