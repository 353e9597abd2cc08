module.exports={output:{filename:'x.js',path:path.resolve(__dirname,'public')}}
