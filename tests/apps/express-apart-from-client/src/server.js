const app = require("express")();
app.get("/api/items", (request, response) => response.json([]));
app.listen(5000);
