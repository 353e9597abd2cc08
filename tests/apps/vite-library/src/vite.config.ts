export default defineConfig({ build: { lib: { entry: 'src/index.ts' } } })
