exports.run = () => require("polka")().listen(process.env.PORT);
