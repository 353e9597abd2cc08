require("child_process").spawn("python", ["main.py"]);
