import { createServer } from 'node:http'
import { handler } from '../dist/server/entry.mjs'

createServer(handler).listen(process.env.PORT || 8085)
