const app = require('express')()
app.get('/todos', (req, res) => res.json([]))
app.listen(process.env.PORT || 4000)
