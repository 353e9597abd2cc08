const port = parseInt(process.env.PORT || '5000', 10);
server.listen({port, host:'0.0.0.0'})
