module x

go 1.21

require github.com/go-chi/chi/v5 v5.0.1

require github.com/gin-gonic/gin v1.9.1 // indirect
