from portal import app
