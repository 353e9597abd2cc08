polka().get('/',()=>{}).listen(3000, err=>{})
