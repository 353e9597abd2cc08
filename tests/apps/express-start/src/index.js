const app = require("express")();
app.get("/", (q, s) => s.send("hello"));
app.listen(process.env.PORT || 4567);
