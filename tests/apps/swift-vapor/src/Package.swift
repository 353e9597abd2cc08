let package = Package(name: "shop", dependencies: [.package(url: "https://github.com/vapor/vapor.git")], targets: [.executableTarget(name: "App")])
