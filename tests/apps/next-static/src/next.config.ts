// a comment: output: "standalone"
export default { output: "export", distDir: "site" }
