export default ({ mode }) => mode === "client" ? { build: { rollupOptions: { input: "src/client.tsx" } } } : {};
