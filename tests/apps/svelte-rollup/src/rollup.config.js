export default {output:{file:'public/build/bundle.js'}}
