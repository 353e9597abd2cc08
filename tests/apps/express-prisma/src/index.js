const key = process.env.STRIPE_KEY
require('express')().listen(process.env.PORT || 3000)
