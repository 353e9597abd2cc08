app.listen(process.env.PORT||4000)
