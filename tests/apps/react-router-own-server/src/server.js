const PORT = Number.parseInt(process.env.PORT || '3000');app.listen(PORT)
