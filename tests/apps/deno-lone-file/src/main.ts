import { Hono } from "jsr:@hono/hono";

const app = new Hono();
export default app;
