def other(request):
    return ""


def hello(request):
    return "hello, world"
