import fs from "fs";
fs.mkdirSync("output");
