module.exports = () => ({ dir: { output: "public" } });
