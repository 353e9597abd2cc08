package main

import "github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

func main() {
	funcframework.Start("8080")
}
