"""Keys in the providers' own formats, with the providers' own checksums, made when they are asked for."""

from __future__ import annotations

import base64
import dataclasses
import json
import string
import zlib
from collections.abc import Callable
from random import Random

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
WORD = string.ascii_letters + string.digits
BASE64, HEX = WORD + "+/", DIGITS + "abcdef"
URLSAFE = WORD + "-_"
BASE62 = DIGITS + UPPER + LOWER


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key in one file.  `make` gives what is written there (its first line is the fault), and the secret in it."""

    name: str
    path: str
    filler: str  # a harmless line of such a file
    make: Callable[[Random], tuple[str, str]]


def some(random: Random, count: int, letters: str = WORD) -> str:
    """So many characters."""
    return "".join(random.choices(letters, k=count))


def checked(prefix: str, random: Random) -> str:
    """GitHub's and npm's way: thirty characters, and six of their checksum."""
    body = some(random, 30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return prefix + body + digits.rjust(6, "0")


def pypi(random: Random) -> str:
    """A macaroon for PyPI."""
    where = base64.b64decode("AgEIcHlwaS5vcmc=") + b"\x02\x24" + some(random, 36, HEX).encode()
    rest = b"\x00\x02\x2a[3," + f'"{some(random, 36, HEX)}"]'.encode() + b"\x00\x00\x06\x20" + random.randbytes(32)
    return "pypi-" + base64.urlsafe_b64encode(where + rest).decode().rstrip("=")


def jwt(random: Random) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": some(random, 10, DIGITS), "iat": 1_795_000_000, "admin": True}]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts]
    return ".".join([*encoded, base64.urlsafe_b64encode(random.randbytes(32)).decode().rstrip("=")])


def pem(kind: str) -> Callable[[Random], tuple[str, str]]:
    """A private key that is one.  Its own randomness is the library's: no seed."""

    def make(_random: Random) -> tuple[str, str]:
        key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        shape = (
            serialization.PrivateFormat.OpenSSH if kind == "openssh" else serialization.PrivateFormat.TraditionalOpenSSL
        )
        text = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption()).decode()
        return text, text.splitlines()[3]

    return make


def said(form: str, key: Callable[[Random], str]) -> Callable[[Random], tuple[str, str]]:
    """A key within a line of a file: `form` has a place for it."""

    def make(random: Random) -> tuple[str, str]:
        secret = key(random)
        return form % secret, secret

    return make


def _aws(random: Random) -> tuple[str, str]:
    secret = some(random, 40, BASE64)
    return f"AWS_ACCESS_KEY_ID=AKIA{some(random, 16, UPPER + '234567')}\nAWS_SECRET_ACCESS_KEY={secret}", secret


def _twilio(random: Random) -> tuple[str, str]:
    token = some(random, 32, HEX)
    return f'twilio = Client("AC{some(random, 32, HEX)}", "{token}")', token


def _slack_hook(random: Random) -> str:
    where = "/".join(["T0" + some(random, 9, UPPER + DIGITS), "B0" + some(random, 9, UPPER + DIGITS), some(random, 24)])
    return "https://hooks.slack.com/services/" + where


def _storage(random: Random) -> str:
    return base64.b64encode(random.randbytes(64)).decode()


def _openai(random: Random) -> str:
    return f"sk-proj-{some(random, 74, URLSAFE)}T3Blbk" + f"FJ{some(random, 74, URLSAFE)}"


def _discord(random: Random) -> str:
    who = base64.b64encode(some(random, 18, "123456789").encode()).decode()
    return f"{who}.G{some(random, 5)}.{some(random, 38, URLSAFE)}"


ENV, PY, JS, YAML = ".env", "shop/settings.py", "web/config.js", "deploy/values.yaml"
PLAIN = {
    ENV: "LIMIT_{number}={number}",
    PY: "LIMIT_{number} = {number}",
    JS: "exports.limit{number} = {number};",
    YAML: "limit{number}: {number}",
}


def _key(name: str, path: str, make: Callable[[Random], tuple[str, str]]) -> Key:
    return Key(name, path, PLAIN.get(path, ""), make)


SECRETS = (
    _key("aws", ENV, _aws),
    _key("github classic", ENV, said("GITHUB_TOKEN=%s", lambda random: checked("ghp_", random))),
    _key("stripe", ENV, said("STRIPE_KEY=%s", lambda random: "sk_live_51" + some(random, 97))),
    _key("openai", ENV, said("OPENAI_API_KEY=%s", _openai)),
    _key(
        "sendgrid",
        ENV,
        said("MAIL_KEY=%s", lambda random: f"SG.{some(random, 22, URLSAFE)}.{some(random, 43, URLSAFE)}"),
    ),
    _key("digitalocean", ENV, said("DO_TOKEN=%s", lambda random: "dop_v1_" + some(random, 64, HEX))),
    _key(
        "telegram",
        ENV,
        said("TELEGRAM_TOKEN=%s", lambda random: f"{some(random, 10, '123456789')}:AA{some(random, 33, URLSAFE)}"),
    ),
    _key("discord", ENV, said("DISCORD_TOKEN=%s", _discord)),
    _key(
        "postgres",
        PY,
        said('DATABASE_URL = "postgresql://shop:%s@db.harbour.shop:5432/shop"', lambda random: some(random, 22)),
    ),
    _key(
        "mongodb",
        PY,
        said('MONGO_URL = "mongodb+srv://shop:%s@cluster0.qx3vb.mongodb.net/shop"', lambda random: some(random, 22)),
    ),
    _key("gitlab", PY, said('GITLAB_TOKEN = "%s"', lambda random: "glpat-" + some(random, 20, URLSAFE))),
    _key(
        "anthropic", PY, said('ANTHROPIC_API_KEY = "%s"', lambda random: f"sk-ant-api03-{some(random, 93, URLSAFE)}AA")
    ),
    _key("twilio", PY, _twilio),
    _key("jwt", PY, said('SERVICE_TOKEN = "%s"', jwt)),
    _key("google", JS, said('exports.maps = "%s";', lambda random: "AIza" + "Sy" + some(random, 33, URLSAFE))),
    _key("slack webhook", JS, said('exports.alerts = "%s";', _slack_hook)),
    _key(
        "hugging face", JS, said('exports.hub = "%s";', lambda random: "hf_" + some(random, 34, string.ascii_letters))
    ),
    _key(
        "github fine-grained",
        JS,
        said('exports.github = "%s";', lambda random: f"github_pat_{some(random, 22)}_{some(random, 59)}"),
    ),
    _key(
        "slack bot",
        YAML,
        said(
            "slackToken: %s",
            lambda random: f"xoxb-{some(random, 12, '123456789')}-{some(random, 12, '123456789')}-{some(random, 24)}",
        ),
    ),
    _key(
        "azure storage",
        YAML,
        said(
            "storage: AccountName=harbourshop;AccountKey=%s;EndpointSuffix=core.windows.net",
            _storage,
        ),
    ),
    _key("redis", YAML, said("cache: redis://default:%s@cache.harbour.shop:6379/0", lambda random: some(random, 24))),
    _key("password", YAML, said("smtpPassword: %s", lambda random: some(random, 20))),
    _key("npm", ".npmrc", said("//registry.npmjs.org/:_authToken=%s", lambda random: checked("npm_", random))),
    _key("pypi", ".pypirc", said("[pypi]\nusername = __token__\npassword = %s", pypi)),
    _key("rsa key", "deploy/id_rsa", pem("rsa")),
    _key("ec key", "deploy/tls.key", pem("ec")),
    _key("openssh key", "deploy/id_ecdsa", pem("openssh")),
)
