"""Java and Kotlin: Maven, Gradle, their wrappers and modules, or plain files for javac."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree, folder_of, stem

FRAMEWORKS = (
    ("quarkus", "quarkus"),
    ("micronaut", "micronaut"),
    ("ktor", "ktor"),
    ("spring-boot", "spring-boot"),
    ("springframework.boot", "spring-boot"),
    ("javalin", "javalin"),
    ("vertx", "vertx"),
    ("helidon", "helidon"),
    ("dropwizard", "dropwizard"),
    ("spark-core", "spark"),
)
_PORTS: Mapping[str | None, int] = {"javalin": 7070, "spark": 4567}
_MANIFESTS = ("pom.xml", "build.gradle", "build.gradle.kts")
_SERVERS = re.compile(r"jetty|tomcat|undertow|netty|grizzly|servlet|webapp-runner|http4k", re.IGNORECASE)
_SERVES = re.compile(r"HttpServer|ServerSocket|embeddedServer")
_MAIN = re.compile(r"static\s+void\s+main\s*\(|^[ \t]*fun\s+main\s*\(", re.MULTILINE)
_PACKAGE = re.compile(r"^[ \t]*package\s+([\w.]+)\s*;", re.MULTILINE)
_VERSIONS = (
    re.compile(r"<(?:java\.version|maven\.compiler\.release|maven\.compiler\.source|release)>\s*(?:1\.)?(\d+)"),
    re.compile(r"JavaLanguageVersion\.of\(\s*(\d+)|jvmToolchain\(\s*(\d+)"),
    re.compile(r"sourceCompatibility\s{0,20}=?\s{0,20}['\"]?(?:JavaVersion\.VERSION_)?(?:1[._])?(\d+)"),
)
_DEEP = 10  # folders: src/main/java/com/example/...


def detect(tree: Tree) -> Plan | None:
    manifest = tree.first(*_MANIFESTS)
    if manifest is None:
        return _plain(tree)
    module = _module(tree, manifest)
    text = _asked(tree, manifest, module)
    framework = clues.framework(FRAMEWORKS, text)
    maven = manifest == "pom.xml"
    return Plan(
        language="java",
        kind="server" if framework or _SERVERS.search(text) or _listens(tree) else "cli",
        framework=framework,
        package_manager="maven" if maven else "gradle",
        port=_PORTS.get(framework, 8080),
        version=_version(tree, text),
        manifests=(manifest,),
        build=_maven(tree) if maven else _gradle(tree, framework),
        start=_start(framework, f"{module}/" if module else "", maven),
        why=clues.evidence(language=f"{manifest} is there", framework=framework and f"{manifest} names {framework}"),
    )


def _asked(tree: Tree, manifest: str, module: str) -> str:
    """The text of all that says what it is made with: at the root, then in the module that runs."""
    if module:
        names = [manifest, f"{module}/{manifest}", *(f"{module}/{name}" for name in _MANIFESTS)]
    else:
        names = [manifest, "gradle/libs.versions.toml"]
    return "".join(tree.text(name) for name in names)


def _module(tree: Tree, manifest: str) -> str:
    """The folder of the module that runs, when the root only gathers them; "" when it is the root."""
    if manifest == "pom.xml":
        gathers = "<modules>" in tree.text(manifest) and "src" not in tree.folders
    else:
        gathers = "src" not in tree.folders
    if not gathers:
        return ""
    below = [
        name for name in tree.ending(*_MANIFESTS, depth=2) if "/" in name and name.rpartition("/")[2] in _MANIFESTS
    ]
    marks = re.compile(r"spring-boot-maven-plugin|org\.springframework\.boot|mainClass|application|quarkus|ktor")
    found = [name for name in below if marks.search(tree.text(name))] or below
    folder = folder_of(found[0]) if found else ""
    return folder if re.fullmatch(r"[\w./-]*", folder) else ""


def _maven(tree: Tree) -> str:
    wrapped = tree.has("mvnw") and any(name.startswith(".mvn/wrapper/") for name in tree.files)
    return f"{'sh ./mvnw' if wrapped else 'mvn'} -B -DskipTests package"


def _gradle(tree: Tree, framework: str | None) -> str:
    wrapped = tree.has("gradlew") and tree.has("gradle/wrapper/gradle-wrapper.properties")
    task = {"spring-boot": "bootJar", "ktor": "buildFatJar"}.get(framework or "", "build -x test")
    return f"{'sh ./gradlew' if wrapped else 'gradle'} --no-daemon {task}"


def _start(framework: str | None, place: str, maven: bool) -> str:
    folder = f"{place}{'target' if maven else 'build'}"
    if framework == "quarkus":
        told = "-Dquarkus.http.host=$HOST -Dquarkus.http.port=$PORT"
        return f"java {told} -jar {folder}/quarkus-app/quarkus-run.jar"
    jars = f"{folder}/*.jar {folder}/*.war" if maven else f"{folder}/libs/*.jar {folder}/libs/*.war"
    # The one with everything in it is the largest; what it was made from lies beside it.
    jar = f'"$(ls -S {jars} 2>/dev/null | grep -v -e -plain -e -sources -e -javadoc -e original- | head -n 1)"'
    if framework == "spring-boot":
        return f"SERVER_ADDRESS=$HOST SERVER_PORT=$PORT java -jar {jar}"
    if framework == "micronaut":
        return f"MICRONAUT_SERVER_HOST=$HOST MICRONAUT_SERVER_PORT=$PORT java -jar {jar}"
    return f"java -jar {jar} -host=$HOST -port=$PORT" if framework == "ktor" else f"java -jar {jar}"


def _listens(tree: Tree) -> bool:
    return clues.mentions(deep := tree.deeper(_DEEP), _below(deep, tree.root), _SERVES) is not None


def _below(deep: Tree, root: str) -> list[str]:
    place = "" if root == "." else f"{root}/"
    return [name for name in clues.sources(deep, ".java", ".kt", depth=_DEEP) if name.startswith(place)]


def _plain(tree: Tree) -> Plan | None:
    """Files that javac makes a program of, when one of them serves."""
    files = clues.sources(tree, ".java", depth=4)
    mains = [name for name in files if _MAIN.search(tree.text(name))]
    entry = next((name for name in mains if _SERVES.search(tree.text(name))), mains[0] if mains else None)
    if entry is None or not re.fullmatch(r"[\w./-]+", entry):
        return None
    package = _PACKAGE.search(tree.text(entry))
    main = f"{package.group(1)}.{stem(entry)}" if package else stem(entry)
    serves = clues.mentions(tree, files, _SERVES)
    top = entry.split("/")[0] if "/" in entry else "."
    return Plan(
        language="java",
        kind="server" if serves else "cli",
        entry=entry,
        port=clues.port_in(tree.text(entry), 8080),
        version=_version(tree, ""),
        build=f"mkdir -p .classes && find {top} -name '*.java' -exec javac -d .classes {{}} +",
        start=f"java -cp .classes {main}",
        why={"language": f"{entry} has main()", **({"kind": f"{serves} listens"} if serves else {})},
    )


def _version(tree: Tree, text: str) -> str | None:
    told = clues.version_tool(tree, "java") or clues.version_file(tree, ".java-version", "system.properties")
    if told:
        return told.removeprefix("1.").split(".")[0]
    for pattern in _VERSIONS:
        if found := pattern.search(text):
            return next(group for group in found.groups() if group)
    return None
