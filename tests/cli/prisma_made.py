"""A database as Prisma creates it from the seed's schema, filled with people."""

from __future__ import annotations

import bcrypt

from tests.cast import PASSWORD
from tests.database import connect

# What `prisma migrate dev` of Prisma 5 writes for the seed's schema.
SCHEMA = """
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN', 'SUPER_ADMIN');

CREATE TABLE "organizations" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMP(3) NOT NULL,
    "deleted_at" TIMESTAMP(3),

    CONSTRAINT "organizations_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "password" TEXT NOT NULL,
    "first_name" TEXT,
    "last_name" TEXT,
    "role" "Role" NOT NULL DEFAULT 'USER',
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "organization_id" TEXT,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMP(3) NOT NULL,
    "deleted_at" TIMESTAMP(3),
    "created_by" TEXT,
    "updated_by" TEXT,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "refresh_tokens" (
    "id" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "organization_id" TEXT,
    "expires_at" TIMESTAMP(3) NOT NULL,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "revoked_at" TIMESTAMP(3),

    CONSTRAINT "refresh_tokens_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "organizations_slug_key" ON "organizations"("slug");
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");
CREATE INDEX "users_email_idx" ON "users"("email");
CREATE INDEX "users_organization_id_idx" ON "users"("organization_id");
CREATE UNIQUE INDEX "refresh_tokens_token_key" ON "refresh_tokens"("token");
CREATE INDEX "refresh_tokens_user_id_idx" ON "refresh_tokens"("user_id");
CREATE INDEX "refresh_tokens_token_idx" ON "refresh_tokens"("token");

ALTER TABLE "users" ADD CONSTRAINT "users_organization_id_fkey"
    FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_user_id_fkey"
    FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_organization_id_fkey"
    FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE SET NULL ON UPDATE CASCADE;

CREATE TABLE _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
);
INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
VALUES (gen_random_uuid()::text, repeat('0', 64), now(), '20240101000000_init', 1);
"""

ROWS = """
INSERT INTO organizations (id, name, slug, created_at, updated_at, deleted_at)
SELECT gen_random_uuid()::text, 'Organization ' || n, 'organization-' || n, TIMESTAMP '2024-01-01' + n * INTERVAL '1 h',
    TIMESTAMP '2024-06-01', CASE WHEN n %% 50 = 0 THEN TIMESTAMP '2024-07-01' END
FROM generate_series(1, greatest(%(people)s / 100, 2)) n;

INSERT INTO users (id, email, password, first_name, last_name, role, is_active, email_verified, organization_id,
    created_at, updated_at, deleted_at)
SELECT gen_random_uuid()::text, 'person' || n || '@example.com', %(password)s, 'First' || n %% 900, 'Last' || n %% 1300,
    (CASE WHEN n = 1 THEN 'SUPER_ADMIN' WHEN n %% 100 = 0 THEN 'ADMIN' ELSE 'USER' END)::"Role",
    n %% 40 > 0, n %% 5 > 0, home.id, TIMESTAMP '2024-01-01 00:00:00.123' + n * INTERVAL '1 min',
    TIMESTAMP '2024-06-01 12:34:56.789', CASE WHEN n %% 30 = 29 THEN TIMESTAMP '2024-07-01 01:02:03.004' END
FROM generate_series(1, %(people)s) n
LEFT JOIN organizations home ON n > 1 AND home.slug = 'organization-' || (1 + n %% greatest(%(people)s / 100, 2));

UPDATE users SET created_by = chief.id, updated_by = chief.id
FROM (SELECT id FROM users WHERE role = 'SUPER_ADMIN') chief WHERE email LIKE '%%9@example.com';

INSERT INTO refresh_tokens (id, token, user_id, organization_id, expires_at, created_at, revoked_at)
SELECT gen_random_uuid()::text, 'token of ' || u.email, u.id, u.organization_id, TIMESTAMP '2030-01-08',
    TIMESTAMP '2030-01-01', CASE WHEN u.email LIKE '%%2@example.com' THEN TIMESTAMP '2030-01-02' END
FROM users u WHERE u.email ~ '[24680]@';
ANALYZE organizations, users, refresh_tokens;
"""


def make(address: str, people: int) -> None:
    """Fill an empty database. Half of the people have a refresh token, and the first one is the SUPER_ADMIN."""
    password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    values = {"people": str(people), "password": f"'{password}'"}
    with connect(address) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute((ROWS % {name: value for name, value in values.items()}).encode())
