import os
from http.server import BaseHTTPRequestHandler, HTTPServer

HTTPServer(("", int(os.environ["PORT"])), BaseHTTPRequestHandler).serve_forever()
