from django.conf import settings
from django.core.wsgi import get_wsgi_application
settings.configure(DEBUG=True, ROOT_URLCONF=__name__)
urlpatterns=[]
application = get_wsgi_application()
if __name__=="__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line()
