import { Elysia } from 'elysia'
const app = new Elysia().get('/', () => 'x')
export default app
