"""The proxy of these tests, and a notice if there is none."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.config import ROOT
from portal.core.clock import now
from tests.database import Server
from tests.pooler.conftest import wait_for
from tests.ports import free_port
from tests.reliability.browser import Browser
from tests.reliability.test_restarts import in_production

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
IS_REQUIRED = os.environ.get("PORTAL_REQUIRE_PROXY", "") not in ("", "0")
MISSING = "The tests behind a proxy were left out: no nginx found (Debian: apt-get install nginx-light)."
collect_ignore_glob = [] if PROGRAM or IS_REQUIRED else ["test_*.py"]

HOST = "portal.example.com"
URL = f"https://{HOST}"
DOCUMENTED = re.compile(r"```nginx\n(.+?)```", re.DOTALL)
LOCATION = re.compile(r"    location / \{\n.+?\n    \}\n", re.DOTALL)
PATH = "/portal"
AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/errors.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/unused; uwsgi_temp_path {folder}/unused; scgi_temp_path {folder}/unused;
    {site}
}}
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not PROGRAM and not IS_REQUIRED:
        terminalreporter.write_line(MISSING)


@dataclass(frozen=True)
class Proxied:
    """A portal in production behind nginx, configured exactly as in docs/operating.md."""

    port: int
    plain_port: int
    trusted: ssl.SSLContext
    root: str = ""

    def browser(self, *, source: str = "127.0.0.1", **headers: str) -> Browser:
        sent = {"Host": HOST, "Referer": f"{URL}{self.root}/", **headers}
        return Browser(f"https://127.0.0.1:{self.port}", headers=sent, trusted=self.trusted, source=(source, 0))


@pytest.fixture(scope="module")
def database(database_server: Server, template_database: str) -> Iterator[str]:
    yield database_server.create("proxied", template=template_database)
    database_server.drop("proxied")


@pytest.fixture(scope="module")
def proxied(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with behind_nginx(database, tmp_path_factory.mktemp("proxied")) as portal:
        yield portal


@pytest.fixture
def proxied_below_path(database: str, tmp_path: Path) -> Iterator[Proxied]:
    """A portal below a path."""
    with behind_nginx(database, tmp_path, PATH) as portal:
        yield portal


@contextmanager
def behind_nginx(database: str, folder: Path, root: str = "") -> Iterator[Proxied]:
    assert PROGRAM is not None, MISSING
    trusted = make_certificate(folder)
    environment = {"PORTAL_URL": URL + root, "PORTAL_TRUSTED_PROXIES": "1", "GUNICORN_CMD_ARGS": "--workers=1"}
    with in_production(database, folder, **environment) as (_, address):
        portal = Proxied(free_port(), free_port(), trusted, root)
        configuration = folder / "nginx.conf"
        user = "user root;" if os.getuid() == 0 else ""
        configuration.write_text(AROUND.format(user=user, folder=folder, site=site(portal, address, folder)))
        process = subprocess.Popen([PROGRAM, "-e", folder / "errors.log", "-c", configuration])  # noqa: S603
        try:
            wait_for(portal.port)
            yield portal
        finally:
            process.terminate()
            process.wait(timeout=60)


def site(portal: Proxied, address: str, folder: Path) -> str:
    """The documented configuration of nginx, with only its ports and paths replaced."""
    text, location_below = DOCUMENTED.findall((ROOT / "docs" / "operating.md").read_text(encoding="utf-8"))
    assert LOCATION.search(text)
    text = LOCATION.sub(location_below, text) if portal.root else text
    for documented, here in (
        ("listen 80;", f"listen 127.0.0.1:{portal.plain_port};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{portal.port} ssl;"),
        ("/etc/ssl/portal", f"{folder}/portal"),
        ("http://127.0.0.1:8000", address),
    ):
        assert documented in text
        text = text.replace(documented, here)
    return text


def make_certificate(folder: Path) -> ssl.SSLContext:
    """Create a certificate and its key in the folder, and return a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    built = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now() - timedelta(days=1), now() + timedelta(days=1)
    )
    alone = x509.BasicConstraints(ca=True, path_length=None)
    certificate = built.add_extension(alone, critical=True).sign(key, hashes.SHA256())
    (folder / "portal.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "portal.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    trusted = ssl.create_default_context(cafile=str(folder / "portal.pem"))
    trusted.check_hostname = False  # it is requested by IP address
    return trusted
