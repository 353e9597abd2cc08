Bun.serve({ port: 3001, fetch: () => new Response("hello") });
