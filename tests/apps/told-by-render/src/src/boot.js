require("./http")();
