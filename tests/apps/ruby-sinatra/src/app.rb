require 'sinatra'

get('/') { 'hello' }
