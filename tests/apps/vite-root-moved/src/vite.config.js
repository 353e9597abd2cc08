export default { root: "web", build: { outDir: "../public" } }
