"""Control Debian's Firefox by its own protocol, Marionette: JSON over TCP. Playwright needs a patched Firefox."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

EXECUTABLES = ("firefox-esr", "firefox")
MISSING = "The journey in Firefox was left out: no Firefox was found. `apt-get install firefox-esr` brings it."
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of references to elements (WebDriver, section 12.2)
PATIENCE = 20.0  # seconds
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.no_proxies_on": "127.0.0.1",
    "services.settings.server": "data:,",
}


def executable() -> str | None:
    return next((path for name in EXECUTABLES if (path := shutil.which(name))), None)


@contextmanager
def firefox(path: str, profile: Path, *, scripts: bool) -> Iterator[Firefox]:
    """A browser without a window, with an empty profile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wanted = {**PREFERENCES, "marionette.port": port, "javascript.enabled": scripts}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items())
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [path, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        with _connected(port) as connection, connection.makefile("rb") as file:
            yield Firefox(connection, file)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _connected(port: int) -> socket.socket:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class Firefox:
    """One tab. Elements are found by XPath."""

    def __init__(self, connection: socket.socket, file: BinaryIO) -> None:
        self.connection, self.file, self.sent = connection, file, 0
        self._read()  # the greeting
        self._ask("NewSession", capabilities={"alwaysMatch": {"timeouts": {"implicit": int(PATIENCE * 1000)}}})

    def goto(self, url: str) -> None:
        self._ask("Navigate", url=url)

    def fill(self, label: str, text: str) -> None:
        field = self._find(f"//*[@id = //label[starts-with(normalize-space(), '{label}')]/@for]")
        self._ask("ElementClear", id=field)
        self._ask("ElementSendKeys", id=field, text=text)

    def click(self, role: str, text: str) -> None:
        """Click the visible link (`a`) or button with this text, and wait for the page that it opens."""
        self._ask("ElementClick", id=self._find(f"//main//{role}[normalize-space() = '{text}']"))

    def sees(self, text: str) -> None:
        """Wait until the page shows the text."""
        self._find(f"//body//*[contains(normalize-space(text()), '{text}')]")

    def _find(self, path: str) -> str:
        found = self._ask("FindElement", using="xpath", value=path)["value"]
        return str(found[ELEMENT])

    def _ask(self, command: str, **arguments: Any) -> Any:
        self.sent += 1
        message = json.dumps([0, self.sent, f"WebDriver:{command}", arguments]).encode()
        self.connection.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, (command, arguments, error)
        return result

    def _read(self) -> Any:
        size = b""
        while (one := self.file.read(1)) != b":":
            assert one, "Firefox has closed the connection"
            size += one
        return json.loads(self.file.read(int(size)))
