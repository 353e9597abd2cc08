module.exports = () => require("express")().listen(3000);
