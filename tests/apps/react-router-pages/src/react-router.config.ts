export default { ssr: false } satisfies Config;
