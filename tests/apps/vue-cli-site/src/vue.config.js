module.exports={outputDir:'../site'}
