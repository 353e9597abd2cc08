WSGI_APPLICATION = 'core.wsgi.application'
