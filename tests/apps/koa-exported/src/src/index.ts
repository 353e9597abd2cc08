import Koa from 'koa'
const app = new Koa()
export default app
