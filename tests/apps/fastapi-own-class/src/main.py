from fastapi import FastAPI
class MyApp(FastAPI):
    pass
app = MyApp()
