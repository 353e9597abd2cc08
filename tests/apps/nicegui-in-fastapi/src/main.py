#!/usr/bin/env python3
import frontend
from fastapi import FastAPI
app = FastAPI()
frontend.init(app)
if __name__=="__main__":
    print("x")
