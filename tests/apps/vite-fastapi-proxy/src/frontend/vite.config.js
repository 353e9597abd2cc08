import { defineConfig } from 'vite'

export default defineConfig({
  server: {
    proxy: {
      // '/old': 'http://localhost:1',
      '/ws': { target: 'ws://localhost:8000', ws: true },
      '/api': {
        target: 'http://localhost:8000',
        changeOrigin: true,
        rewrite: (path) => path.replace(/^\/api/, ''),
      },
    },
  },
})
