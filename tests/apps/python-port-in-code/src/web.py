import http.server
import os

port = int(os.getenv("PORT", 5000))
http.server.HTTPServer(("", port), http.server.SimpleHTTPRequestHandler).serve_forever()
