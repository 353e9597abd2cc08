INSTALLED_APPS=["daphne"]
WSGI_APPLICATION="mysite.wsgi.application"
ASGI_APPLICATION = "mysite.asgi.application"
