"""The indexes of the table of people: for each order of a list, everywhere and inside an organization."""

from __future__ import annotations

from sqlalchemy import Index, text

from portal.core.models import BY_NAME, NOT_DELETED

PENDING = text("deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL")
DEACTIVATED = text("deleted_at IS NULL AND NOT is_active")
EXPIRING = text("deleted_at IS NULL AND expires_on IS NOT NULL")
STARTING = text("deleted_at IS NULL AND activates_on IS NOT NULL")
STAFF = text("deleted_at IS NULL AND role <> 'USER'")
WITH_ZONE = text("deleted_at IS NULL AND time_zone IS NOT NULL")
DELETED = text("deleted_at IS NOT NULL")
BY_ZONE = {"time_zone": 'COLLATE "C"'}
LONG_AGO = "'0001-01-01 00:00:00+00'::timestamp with time zone"
STATE = ["organization_id", "is_active", "invited_at", "accepted_at"]  # decides which tab of the list shows a person
# Not COALESCE: the planner doesn't consider it leakproof, so behind a policy it wouldn't use the index. The line breaks
# are PostgreSQL's, because `flask db check` compares the text.
LAST_SIGN_IN = f"""
CASE
    WHEN last_sign_in_at IS NULL THEN {LONG_AGO}
    ELSE last_sign_in_at
END"""
INDEXES = (
    Index("users_email_key", text("lower(email)"), unique=True, postgresql_where=NOT_DELETED),
    Index("users_email_idx", "email"),
    Index("users_organization_id_idx", "organization_id"),
    Index(
        "users_created_at_idx",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=["is_active", "organization_id", "invited_at", "accepted_at", "search_text"],
    ),
    Index("users_name_idx", "sort_name", "id", postgresql_where=NOT_DELETED, postgresql_ops=BY_NAME),
    Index("users_staff_name_idx", "role", "sort_name", "id", postgresql_where=STAFF, postgresql_ops=BY_NAME),
    Index(
        "users_organization_created_at_idx",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=[
            "role",
            "is_active",
            "email_verified",
            "invited_at",
            "accepted_at",
            "has_two_factor",
            "search_text",
        ],
    ),
    Index(
        "users_organization_name_idx",
        "organization_id",
        "sort_name",
        "id",
        postgresql_where=NOT_DELETED,
        postgresql_ops=BY_NAME,
    ),
    Index(
        "users_last_sign_in_idx",
        text(f"({LAST_SIGN_IN}) DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=["last_sign_in_at", "created_at", *STATE],
    ),
    Index(
        "users_organization_last_sign_in_idx",
        "organization_id",
        text(f"({LAST_SIGN_IN}) DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=["last_sign_in_at", "created_at", "role", *STATE[1:]],
    ),
    Index(
        "users_updated_at_idx",
        text("updated_at DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=["created_at", *STATE],
    ),
    Index(
        "users_organization_updated_at_idx",
        "organization_id",
        text("updated_at DESC"),
        text("id DESC"),
        postgresql_where=NOT_DELETED,
        postgresql_include=["created_at", "role", *STATE[1:]],
    ),
    Index(
        "users_role_idx",
        "role",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NULL AND role <> 'USER'"),
    ),
    Index(
        "users_role_created_at_idx",
        "role",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NULL AND role <> 'USER'"),
        postgresql_include=STATE,
    ),
    Index(
        "users_staff_idx",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NULL AND role <> 'USER'"),
        postgresql_include=["role", "is_active", "invited_at", "accepted_at", "search_text"],
    ),
    Index(
        "users_invited_idx",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=PENDING,
        postgresql_include=["role", "invited_at", "revoked_at", "sort_name"],
    ),
    Index(
        "users_invited_at_idx",
        text("invited_at DESC"),
        text("id DESC"),
        postgresql_where=PENDING,
        postgresql_include=["organization_id", "role", "revoked_at", "created_at", "sort_name"],
    ),
    Index("users_invited_name_idx", "sort_name", "id", postgresql_where=PENDING, postgresql_ops=BY_NAME),
    Index(
        "users_deactivated_idx",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=DEACTIVATED,
        postgresql_include=["role", "invited_at", "accepted_at"],
    ),
    Index(
        "users_two_factor_idx",
        "organization_id",
        text("created_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NULL AND has_two_factor"),
    ),
    Index("users_expires_on_idx", "expires_on", "id", postgresql_where=EXPIRING),
    Index("users_organization_expires_on_idx", "organization_id", "expires_on", "id", postgresql_where=EXPIRING),
    Index("users_time_zone_idx", "time_zone", "id", postgresql_where=WITH_ZONE, postgresql_ops=BY_ZONE),
    Index(
        "users_organization_time_zone_idx",
        "organization_id",
        "time_zone",
        "id",
        postgresql_where=WITH_ZONE,
        postgresql_ops=BY_ZONE,
    ),
    Index(
        "users_activates_on_idx",
        "activates_on",
        "id",
        postgresql_where=STARTING,
        postgresql_include=["organization_id", "role", "is_active"],
    ),
    Index(
        "users_organization_activates_on_idx",
        "organization_id",
        "activates_on",
        "id",
        postgresql_where=STARTING,
        postgresql_include=["role", "is_active"],
    ),
    Index("users_deleted_email_idx", text("lower(email)"), postgresql_where=text("deleted_at IS NOT NULL")),
    Index(
        "users_deleted_at_idx",
        text("deleted_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index(
        "users_organization_deleted_at_idx",
        "organization_id",
        text("deleted_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index("users_deleted_name_idx", "sort_name", "id", postgresql_where=DELETED, postgresql_ops=BY_NAME),
    Index(
        "users_organization_deleted_name_idx",
        "organization_id",
        "sort_name",
        "id",
        postgresql_where=DELETED,
        postgresql_ops=BY_NAME,
    ),
    Index(
        "users_deleted_role_idx",
        "role",
        text("deleted_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NOT NULL AND role <> 'USER'"),
    ),
    Index(
        "users_deleted_two_factor_idx",
        text("deleted_at DESC"),
        text("id DESC"),
        postgresql_where=text("deleted_at IS NOT NULL AND has_two_factor"),
    ),
    Index(
        "users_search_text_idx",
        "organization_id",
        "search_text",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    ),
)
