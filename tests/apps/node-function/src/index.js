const functions = require("@google-cloud/functions-framework");

functions.http("greet", (request, response) => response.send("hello"));
