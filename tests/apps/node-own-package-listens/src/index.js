require("server").run();
