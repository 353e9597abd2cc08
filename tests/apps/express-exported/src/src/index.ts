import express from 'express'
const app = express()
app.get('/', (q,r)=>r.send('x'))
export default app
