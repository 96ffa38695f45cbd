"""The demo's accounts. They are public and don't exist in production."""

DEMO_PASSWORD = "welcome to the portal"  # noqa: S105 -- public on purpose
DEMO_ACCOUNTS = [
    ("Super administrator", "admin@example.com"),
    ("Administrator of Acme Logistics", "ada@example.com"),
    ("User of Acme Logistics", "uma@example.com"),
]
