pg=1
