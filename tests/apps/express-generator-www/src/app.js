module.exports = app
