plugins { id("io.ktor.plugin") }
kotlin { jvmToolchain(17) }
