export default defineConfig(({mode})=>({ server:{host:'::',port:8080}, plugins:[react()], resolve:{alias:{'@':path.resolve(__dirname,'./src')}} }))
