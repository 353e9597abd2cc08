import uvicorn
def main():
    uvicorn.run("svc.web.application:get_app", factory=True)
if __name__=="__main__":
    main()
