require("./server");
