import functions_framework


@functions_framework.http
def greet(request):
    return "hello"
