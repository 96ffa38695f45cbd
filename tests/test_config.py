"""Settings from the environment, and the errors that stop an unsafe start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from portal import create_app
from portal.config import ROOT, ConfigurationError, RecordingEnviron, Settings, load_settings
from tests.database import SECRET_KEY

URL = "postgresql://portal:hunter2hunter2@db.example.com/portal"
WEAK = ["dev", "secret", "changeme", "0123456789", "a" * 64, "ab" * 40, "x" * 31]


def load(**environ: str) -> Settings:
    return load_settings(environ)


def started(**environ: str) -> subprocess.CompletedProcess[str]:
    """Load the application as a web server does."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", "import wsgi"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("key", [None, "dev", "a" * 64])
def test_in15_production_does_not_start_with_a_missing_or_weak_key(key: str | None) -> None:
    done = started(DATABASE_URL=URL, **({} if key is None else {"SECRET_KEY": key}))

    assert done.returncode != 0
    assert re.fullmatch(r"portal: SECRET_KEY is (missing|weak); [^\n]+\.\n", done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("key", WEAK)
def test_in15_weak_keys_are_refused_even_as_fallbacks(key: str) -> None:
    with pytest.raises(ConfigurationError, match="weak"):
        load(DATABASE_URL=URL, SECRET_KEY=key)
    with pytest.raises(ConfigurationError, match="weak"):
        load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, SECRET_KEY_FALLBACKS=f"{SECRET_KEY},{key}")


@pytest.mark.parametrize("key", WEAK)
def test_a_weak_seal_key_is_refused_with_its_name(key: str) -> None:
    with pytest.raises(ConfigurationError, match="PORTAL_SEAL_KEY is weak"):
        load(PORTAL_SEAL_KEY=key, SECRET_KEY=SECRET_KEY)


@pytest.mark.parametrize("name", ["FLASK_DEBUG", "FLASK_ENV", "DEBUG", "FLASK_TESTING"])
def test_in15_debug_is_off(name: str) -> None:
    app = create_app(load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, **{name: "1"}))

    assert not app.debug
    assert not app.testing


def test_a_database_url_and_a_key_alone_mean_production() -> None:
    settings = load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY)

    assert settings.production
    assert settings.database_url is not None
    assert make_url(settings.database_url).drivername == "postgresql+psycopg"
    assert make_url(settings.database_url).password == "hunter2hunter2"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_scheme_of_postgresql_urls_is_accepted(scheme: str) -> None:
    settings = load(DATABASE_URL=f"{scheme}://host/name", SECRET_KEY=SECRET_KEY)

    assert settings.database_url == "postgresql+psycopg://host/name"


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/name", "nonsense", "postgresql+asyncpg://host/name"])
def test_other_databases_are_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(DATABASE_URL=url, SECRET_KEY=SECRET_KEY)

    assert str(raised.value).count(". ") <= 1
    assert url not in str(raised.value)


def test_without_settings_the_demo_starts_with_a_generated_key(tmp_path: Path) -> None:
    first, second = load(PORTAL_INSTANCE=str(tmp_path)), load(PORTAL_INSTANCE=str(tmp_path))

    assert not first.production
    assert first.database_url is None
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_re13_secrets_can_be_read_from_files(tmp_path: Path) -> None:
    key, url = tmp_path / "key", tmp_path / "url"
    key.write_text(f"{SECRET_KEY}\n", encoding="utf-8")
    url.write_text(f"{URL}\n", encoding="utf-8")

    settings = load(SECRET_KEY_FILE=str(key), DATABASE_URL_FILE=str(url))

    assert settings.secret_key == SECRET_KEY
    assert settings.production


def test_an_unreadable_secrets_file_is_reported_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SECRET_KEY_FILE can't be read: FileNotFoundError"):
        load(SECRET_KEY_FILE=str(tmp_path / "absent"))


def test_re13_the_repr_of_settings_contains_no_secret() -> None:
    other = "another-key-0123456789-zyxwvutsrqpon"
    token = "what-prometheus-says-0123456789-abcdef"
    settings = load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, SECRET_KEY_FALLBACKS=other, PORTAL_METRICS_TOKEN=token)

    assert settings.metrics_token == token
    for text in (repr(settings), str(settings), f"{settings}"):
        assert not [secret for secret in (SECRET_KEY, other, token, "hunter2") if secret in text]


def test_re13_former_keys_become_secret_key_fallbacks() -> None:
    other = "another-key-0123456789-zyxwvutsrqpon"
    app = create_app(load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, SECRET_KEY_FALLBACKS=other))

    assert app.config["SECRET_KEY"] == SECRET_KEY
    assert app.config["SECRET_KEY_FALLBACKS"] == [other]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_POOL_SIZE", "0"), ("PORTAL_POOL_SIZE", "many"), ("PORTAL_POOL_TIMEOUT", "nan"),
        ("PORTAL_STATEMENT_TIMEOUT", "-1"), ("PORTAL_TWO_FACTOR_ROLES", "ADMIN,BOSS"),
        ("PORTAL_PASSWORD_MINIMUM", "7"), ("PORTAL_SESSION_HOURS", "inf"),
        ("PORTAL_TRUSTED_PROXIES", "-1"), ("PORTAL_CONCURRENT_REQUESTS", ""), ("PORTAL_URL", "portal.example.com"),
        ("PORTAL_URL", "http://portal.example.com"), ("PORTAL_URL", "ftp://portal.example.com"),
        ("PORTAL_EMAIL_KINDS", "internal,secret"),
        ("PORTAL_LOG", "xml"), ("PORTAL_METRICS_TOKEN", "short"), ("PORTAL_METRICS_TOKEN", "a" * 64),
    ],
)  # fmt: skip
def test_an_invalid_setting_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, **{name: value})


def test_au1_the_minimum_password_length_can_be_set_to_eight_or_more() -> None:
    assert load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY).password_minimum == 15
    assert load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, PORTAL_PASSWORD_MINIMUM="8").password_minimum == 8


def test_roles_that_require_two_factor_can_be_listed_in_any_order() -> None:
    changed = load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, PORTAL_TWO_FACTOR_ROLES="SUPER_ADMIN, ADMIN")

    assert changed.two_factor_roles == ("SUPER_ADMIN", "ADMIN")


def test_kinds_of_email_addresses_can_be_listed_in_any_order() -> None:
    assert load().email_kinds == ()
    assert load(PORTAL_EMAIL_KINDS="international, internal").email_kinds == ("international", "internal")


def test_cs8_only_the_public_host_and_localhost_are_trusted() -> None:
    settings = load(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, PORTAL_URL="https://portal.example.com/")

    assert settings.public_url == "https://portal.example.com"
    assert settings.https
    assert settings.trusted_hosts == ["portal.example.com", "localhost", "127.0.0.1", "[::1]"]


def test_se6_session_lengths_are_settings() -> None:
    plain = load()
    changed = load(PORTAL_SESSION_HOURS="24", PORTAL_IDLE_HOURS="0.5", PORTAL_KEPT_IDLE_HOURS="12")

    assert (plain.session_hours, plain.idle_hours, plain.kept_idle_hours) == (720, 8, 168)
    assert (changed.session_hours, changed.idle_hours, changed.kept_idle_hours) == (24, 0.5, 12)


@pytest.mark.parametrize("name", ["PORTAL_SESSION_HOURS", "PORTAL_IDLE_HOURS", "PORTAL_KEPT_IDLE_HOURS"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_se6_an_invalid_time_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(**{name: value})


MAIL = {"PORTAL_SMTP_URL": "smtp://portal:p%40ss@mail.example.com:587", "PORTAL_MAIL_FROM": "Portal <p@example.com>"}


def test_mail_is_configured_by_a_server_and_a_sender(tmp_path: Path) -> None:
    settings = load(PORTAL_INSTANCE=str(tmp_path), **MAIL)

    assert (settings.smtp_url, settings.mail_from) == (MAIL["PORTAL_SMTP_URL"], MAIL["PORTAL_MAIL_FROM"])
    assert not settings.has_outbox
    assert "p%40ss" not in repr(settings)


def test_the_mail_server_can_be_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "smtp"
    secret.write_text(MAIL["PORTAL_SMTP_URL"] + "\n", encoding="utf-8")

    settings = load(
        PORTAL_INSTANCE=str(tmp_path), PORTAL_SMTP_URL_FILE=str(secret), PORTAL_MAIL_FROM=MAIL["PORTAL_MAIL_FROM"]
    )

    assert settings.smtp_url == MAIL["PORTAL_SMTP_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_SMTP_URL", "http://mail.example.com"),
        ("PORTAL_SMTP_URL", "smtp://"),
        ("PORTAL_SMTP_URL", "smtp://host:99999"),
        ("PORTAL_SMTP_URL", "smtp://[host"),
        ("PORTAL_MAIL_FROM", "nobody"),
        ("PORTAL_MAIL_FROM", "p@example.com\r\nBcc: eve@example.com"),
        ("PORTAL_MAIL_FROM", ""),
    ],
)
def test_invalid_mail_settings_are_refused_at_startup(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(PORTAL_INSTANCE=str(tmp_path), **{**MAIL, name: value})

    assert name in str(refused.value)


def test_missing_mail_settings_are_reported() -> None:
    production = Settings(secret_key=SECRET_KEY, production=True)

    assert str(production.missing_for_mail).startswith("PORTAL_URL is not set")
    assert str(replace(production, public_url="https://x.example").missing_for_mail).startswith("PORTAL_SMTP_URL")
    assert Settings(secret_key=SECRET_KEY).missing_for_mail is None
    assert Settings(secret_key=SECRET_KEY).has_outbox
    assert not production.has_outbox


def test_an_unknown_setting_is_reported_with_the_closest_one_and_without_its_value() -> None:
    changed = {"PORTAL_SMPT_URL": "hunter2", "PORTAL_URL_FILE": "/x", "portal_url": "x", "PORTAL_12345678901": "x"}

    assert load(SECRET_KEY=SECRET_KEY, **changed).misspelled == (
        "PORTAL_12345678901 is not a setting.",
        "PORTAL_SMPT_URL is not a setting; did you mean PORTAL_SMTP_URL?",
        "PORTAL_URL_FILE is not a setting; PORTAL_URL can't be read from a file.",
        "portal_url is not a setting; did you mean PORTAL_URL?",
    )


def test_every_setting_in_the_readme_exists() -> None:
    table = re.findall(r"^\| `(PORTAL_\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    environ = RecordingEnviron({})
    load_settings(environ)

    assert len(table) > 20
    assert set(table) - environ.known == set()


def test_variables_of_tests_kubernetes_and_docker_are_not_misspellings(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET_KEY)
    changed = {
        "PORTAL_TEST_ROUNDS": "4", "PORTAL_REQUIRE_BROWSER": "1", "PORTAL_SERVICE_HOST": "10.0.0.1",
        "PORTAL_WEB_SERVICE_PORT_HTTP": "80", "PORTAL_PORT": "tcp://10.0.0.1:80", "PORTAL_PORT_80_TCP_ADDR": "10.0.0.1",
        "PORTAL_SEAL_KEY": SECRET_KEY, "PORTAL_SEAL_KEY_FILE": str(key), "OTHER": "x",
    }  # fmt: skip

    assert load(SECRET_KEY=SECRET_KEY, **changed).misspelled == ()


def test_a_misspelled_setting_is_logged_at_startup_but_does_not_stop_it(tmp_path: Path) -> None:
    done = started(DATABASE_URL=URL, SECRET_KEY=SECRET_KEY, PORTAL_PASWORD_MINIMUM="20", PORTAL_INSTANCE=str(tmp_path))

    assert done.returncode == 0
    assert "WARNING PORTAL_PASWORD_MINIMUM is not a setting; did you mean PORTAL_PASSWORD_MINIMUM?" in done.stderr
