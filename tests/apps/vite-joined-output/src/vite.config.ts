export default defineConfig({ build: { outDir: path.join(__dirname, 'build', 'web') } })
