"""Settings, read from the environment. Nothing else reads it."""

from __future__ import annotations

import difflib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parseaddr
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from portal import branding, database_url, public_url
from portal.branding import Accent, Logo
from portal.database_url import DatabaseUrl

R = TypeVar("R")
ROOT = Path(__file__).resolve().parent.parent
ROLES = ("USER", "ADMIN", "SUPER_ADMIN")
EMAIL_KINDS = ("internal", "international")
# Variables for tests, and those that Kubernetes and Docker set for a service named portal.
IGNORED_VARIABLES = re.compile(
    r"PORTAL_(TEST|REQUIRE)_\w+|PORTAL_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP|SCTP)\w*)?|ENV_\w+|NAME)"
)


class ConfigurationError(SystemExit):
    """The configuration is invalid. The message is one sentence for the operator."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"portal: {sentence}")


@dataclass(frozen=True)
class Settings:
    """Checked at start, never changed afterwards. Durations are in seconds unless the name says otherwise."""

    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    seal_key: str | None = field(default=None, repr=False)
    seal_seconds: float = 60.0
    database_url: str | None = field(default=None, repr=False)
    direct_url: str | None = field(default=None, repr=False)  # if database_url is a transaction pooler
    pools_transactions: bool = False
    production: bool = False
    instance: Path = ROOT / "instance"
    public_url: str | None = None
    product_name: str = branding.NAME
    accent: Accent | None = None
    logo: Logo | None = field(default=None, repr=False)
    trusted_proxies: int = 0
    pool_size: int = 8
    pool_timeout: float = 3.0
    concurrent_requests: int = 48
    statement_timeout: float = 10.0
    password_minimum: int = 15
    email_kinds: tuple[str, ...] = ()  # email addresses to allow besides public ASCII ones
    bcrypt_rounds: int = 12
    session_hours: float = 720  # at most, even if used
    idle_hours: float = 8  # unused
    kept_idle_hours: float = 168  # unused, with "Keep me signed in"
    reauthentication_minutes: float = 15  # until a sensitive change asks for the password again
    guesses_per_account: int = 10  # in 5 minutes
    guesses_per_network: int = 100  # in 5 minutes
    refreshes_per_network: int = 600  # in 5 minutes
    access_minutes: float = 5  # an API client's access token
    refresh_grace: float = 10.0  # in which a refresh token may arrive twice from the same client
    foreign_addresses_per_hour: int = 20  # for each ADMIN, and for each organization
    emails_per_hour: int = 6  # emails with links, to one person
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "Portal <portal@localhost>"
    data_browser_seconds: float = 5.0  # per statement of the data browser
    data_browser_rows: int = 500  # of a query in the data browser, at most
    worker_inside: bool = True  # send emails and run jobs from `flask serve`
    two_factor_roles: tuple[str, ...] = ()  # roles that require two-factor authentication
    keep_sessions_days: float = 90  # after they ended
    keep_jobs_days: float = 30  # after they ended
    keep_emails_days: float = 30  # the demo's outbox, and emails that could not be sent
    keep_deleted_days: float = 0  # deleted people, teams and organizations; 0 keeps them until somebody purges them
    log: str | None = None  # "text" or "json": a line per request
    sql: bool = False  # log the statements of each request
    metrics_token: str | None = field(default=None, repr=False)
    metrics_folder: str | None = None  # shared by the processes of one server
    misspelled: tuple[str, ...] = ()  # messages about variables that look like settings but aren't

    @property
    def https(self) -> bool:
        return (self.public_url or "").startswith("https://")

    @property
    def has_outbox(self) -> bool:
        """Whether emails go to the outbox: only in a demo without a mail server."""
        return not self.production and self.smtp_url is None

    @property
    def data_browser_slots(self) -> int:
        """How many people can query the data browser at once. It leaves most connections to other requests."""
        return max(1, min(3, self.pool_size - 1))

    @property
    def missing_for_mail(self) -> str | None:
        """The reason why emails can't be sent, as a sentence, or None."""
        if self.production and self.public_url is None:
            return "PORTAL_URL is not set, so no links can be emailed; set it to the public address."
        if self.production and self.smtp_url is None:
            return "PORTAL_SMTP_URL is not set, so no emails are sent; set it, like smtp://user:password@host:587."
        return None

    @property
    def root(self) -> str:
        """The path prefix of all URLs: the path of PORTAL_URL, or empty."""
        return urlsplit(self.public_url or "").path

    @property
    def trusted_hosts(self) -> list[str]:
        """Host names to accept in requests; IPv6 in brackets."""
        parts = urlsplit(self.public_url or "http://localhost")
        return [parts.netloc.removesuffix(f":{parts.port}"), *public_url.LOOPBACK]

    def cookie_name(self, host_url: str) -> str:
        """The name of the session cookie. It includes port and path, so that portals on one host don't share it.

        Browsers don't separate cookies by port. Without PORTAL_URL, the name is derived from the request's URL.
        """
        port = urlsplit(self.public_url or host_url).port
        prefix = ("__Secure-" if self.root else "__Host-") if self.https else ""
        return f"{prefix}portal{f'-{port}' if port else ''}{self.root.replace('/', '+')}"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings. Without DATABASE_URL, run the demo on an embedded PostgreSQL server."""
    environ = environ if isinstance(environ, RecordingEnviron) else RecordingEnviron(environ)
    url, direct = _database(environ, "DATABASE_URL"), _database(environ, "DIRECT_URL")
    key = _secret(environ, "SECRET_KEY")
    seal_key = _secret(environ, "PORTAL_SEAL_KEY")
    instance = Path(environ.get("PORTAL_INSTANCE", ROOT / "instance"))
    if url is not None and key is None:
        raise ConfigurationError("SECRET_KEY is missing; set it to at least 32 random characters.")
    fallbacks = tuple(part for part in (_secret(environ, "SECRET_KEY_FALLBACKS") or "").split(",") if part)
    token = _secret(environ, "PORTAL_METRICS_TOKEN")
    named = (("PORTAL_SEAL_KEY", seal_key), ("PORTAL_METRICS_TOKEN", token))
    for name, candidate in (*named, *(("SECRET_KEY", one) for one in (key, *fallbacks))):
        if candidate is not None and _is_weak(candidate):
            raise ConfigurationError(
                f"{name} is weak; use at least 32 random characters, like those of `openssl rand -hex 32`."
            )
    settings = Settings(
        secret_key=key or _own_key(instance),
        secret_key_fallbacks=fallbacks,
        seal_key=seal_key,
        seal_seconds=_number(environ, "PORTAL_SEAL_SECONDS", 60, least=0),
        database_url=url.url if url else None,
        direct_url=direct.url if direct else None,
        pools_transactions=bool(url and url.pools_transactions),
        production=url is not None,
        instance=instance,
        public_url=_read(environ, "PORTAL_URL", public_url.read),
        product_name=_read(environ, "PORTAL_PRODUCT_NAME", branding.read_name) or branding.NAME,
        accent=_read(environ, "PORTAL_ACCENT_COLOR", branding.read_accent),
        logo=_read(environ, "PORTAL_LOGO", lambda path: branding.read_logo(Path(path))),
        smtp_url=_smtp_url(environ),
        mail_from=_mail_from(environ),
        worker_inside=environ.get("PORTAL_WORKER_INSIDE", "1") != "0",
        trusted_proxies=int(_number(environ, "PORTAL_TRUSTED_PROXIES", 0, least=0)),
        pool_size=int(_number(environ, "PORTAL_POOL_SIZE", (url and url.connections) or 8, least=1)),
        pool_timeout=_number(environ, "PORTAL_POOL_TIMEOUT", (url and url.pool_timeout) or 3, least=0.1),
        concurrent_requests=int(_number(environ, "PORTAL_CONCURRENT_REQUESTS", 48, least=1)),
        statement_timeout=_number(environ, "PORTAL_STATEMENT_TIMEOUT", 10, least=0.1),
        password_minimum=int(_number(environ, "PORTAL_PASSWORD_MINIMUM", 15, least=8)),
        session_hours=_number(environ, "PORTAL_SESSION_HOURS", 720, least=0.1),
        idle_hours=_number(environ, "PORTAL_IDLE_HOURS", 8, least=0.1),
        kept_idle_hours=_number(environ, "PORTAL_KEPT_IDLE_HOURS", 168, least=0.1),
        access_minutes=_number(environ, "PORTAL_ACCESS_MINUTES", 5, least=0.1),
        refresh_grace=_number(environ, "PORTAL_REFRESH_GRACE", 10, least=0),
        email_kinds=_email_kinds(environ),
        two_factor_roles=_roles(environ, "PORTAL_TWO_FACTOR_ROLES"),
        reauthentication_minutes=_number(environ, "PORTAL_REAUTHENTICATION_MINUTES", 15, least=0),
        keep_sessions_days=_number(environ, "PORTAL_KEEP_SESSIONS_DAYS", 90, least=1),
        keep_jobs_days=_number(environ, "PORTAL_KEEP_JOBS_DAYS", 30, least=1),
        keep_emails_days=_number(environ, "PORTAL_KEEP_EMAILS_DAYS", 30, least=1),
        keep_deleted_days=_number(environ, "PORTAL_KEEP_DELETED_DAYS", 0, least=0),
        data_browser_seconds=_number(environ, "PORTAL_DATA_BROWSER_TIMEOUT", 5, least=0.1),
        data_browser_rows=int(_number(environ, "PORTAL_DATA_BROWSER_ROWS", 500, least=1)),
        log=_chosen(environ, "PORTAL_LOG", "text", "json"),
        sql=environ.get("PORTAL_SQL", "") not in ("", "0"),
        metrics_token=token,
        metrics_folder=environ.get("PROMETHEUS_MULTIPROC_DIR") or None,
    )
    return replace(settings, misspelled=tuple(environ.misspelled()))


class RecordingEnviron(Mapping[str, str]):
    """The environment. It records which names are read, because these are all settings there are."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.known: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.known.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def misspelled(self) -> Iterator[str]:
        """A message for each name that looks like a setting but isn't, with the closest match, without values."""
        for name in sorted(self):
            if not name.upper().startswith("PORTAL_") or name in self.known or IGNORED_VARIABLES.fullmatch(name):
                continue
            whole = name.removesuffix("_FILE")
            close = difflib.get_close_matches(name.upper(), sorted(self.known), n=1)
            if whole in self.known:
                yield f"{name} is not a setting; {whole} can't be read from a file."
            else:
                yield f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ".")


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    """A value from the environment variable, or from the file whose path is in NAME_FILE."""
    value = environ.get(name)
    if path := environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}_FILE can't be read: {type(error).__name__}.") from None
    return value or None


def _is_weak(key: str) -> bool:
    return len(key) < 32 or len(set(key)) < 8


def _own_key(instance: Path) -> str:
    """The demo's key, created once and stored beside its database."""
    path = instance / "secret_key"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _database(environ: Mapping[str, str], name: str) -> DatabaseUrl | None:
    text = _secret(environ, name)
    try:
        return None if text is None else database_url.read(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def _read(environ: Mapping[str, str], name: str, read: Callable[[str], R]) -> R | None:
    text = environ.get(name)
    try:
        return read(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def _smtp_url(environ: Mapping[str, str]) -> str | None:
    url = _secret(environ, "PORTAL_SMTP_URL")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigurationError(
            "PORTAL_SMTP_URL must be like smtp://user:password@host:587, or smtps:// for implicit TLS."
        )
    if not environ.get("PORTAL_MAIL_FROM"):
        raise ConfigurationError(
            "PORTAL_MAIL_FROM is missing; emails are sent from it, like Portal <portal@example.com>."
        )
    return url


def _mail_from(environ: Mapping[str, str]) -> str:
    sender = environ.get("PORTAL_MAIL_FROM") or Settings.mail_from
    if "@" not in parseaddr(sender)[1] or not sender.isprintable():
        raise ConfigurationError("PORTAL_MAIL_FROM must be an address, like Portal <portal@example.com>.")
    return sender


def _roles(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    named = tuple(part for part in environ.get(name, "").replace(" ", "").split(",") if part)
    if unknown := [one for one in named if one not in ROLES]:
        raise ConfigurationError(f"{name} is a list of roles, like SUPER_ADMIN,ADMIN; {unknown[0]!r} is not a role.")
    return named


def _email_kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    named = tuple(part for part in environ.get("PORTAL_EMAIL_KINDS", "").replace(" ", "").split(",") if part)
    if unknown := [one for one in named if one not in EMAIL_KINDS]:
        raise ConfigurationError(
            f"PORTAL_EMAIL_KINDS takes one or more of {','.join(EMAIL_KINDS)}, not {unknown[0]!r}."
        )
    return named


def _chosen(environ: Mapping[str, str], name: str, *words: str) -> str | None:
    word = environ.get(name) or None
    if word not in (None, *words):
        raise ConfigurationError(f"{name} must be {' or '.join(words)}; it is {word!r}.")
    return word


def _number(environ: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environ.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= 1_000_000:
        raise ConfigurationError(f"{name} must be a number of at least {least:g}; it is {text!r}.")
    return number
