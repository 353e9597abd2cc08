const http = require("http");
http.createServer((q, s) => s.end("hello")).listen(process.env.PORT || 5050);
