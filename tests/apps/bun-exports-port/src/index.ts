export default {
  port: process.env.PORT || 3000,
  fetch(request: Request) {
    return new Response("hello");
  },
};
