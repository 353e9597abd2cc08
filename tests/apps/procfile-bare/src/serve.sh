exec nc -l $PORT
