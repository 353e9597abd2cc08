import os

import dj_database_url

SECRET_KEY = os.environ["SECRET_KEY"]
WSGI_APPLICATION = "shop.wsgi.application"
DATABASES = {"default": dj_database_url.config(conn_max_age=600)}
