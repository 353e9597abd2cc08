import { Application } from "oak";

new Application().listen({ port: 8100 });
