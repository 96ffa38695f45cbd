"""Names are sorted as Unicode's root collation does, and who has no name comes last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import committing, make_next, put_next, rewrite

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MARKS = (
    r"\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u064B-\u065F\u0670"
    r"\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED"
)
OTHER_SIGNS = (
    r"\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02DF\u055A-\u055F\u0589\u058A"
    r"\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u060C\u061B-\u061F\u066A-\u066D\u06D4\u0964\u0965\u2010-\u205E\u20A0-\u20CF"
    r"\u2190-\u2BFF\u2E00-\u2E7F\u3001-\u3003\u3008-\u3020\u3030\u30FB\U0001F000-\U0001FAFF"
)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Unicode's root collation, as near as names need it: no server's own, which PostgreSQL has or has not, and which an
# update of its library would change under the indexes. First the letters alone, and behind a sign of its own their
# accents; signs before digits before letters. To be compared byte by byte. Three letters of Latin are letters after
# others; wynn stands for "after z".
ORDER = """_! -" ,# ;$ :$ !% ?% .& '' "( () )* [+ ]+ {+ }+ @, *, /- \\- &. #. %. `/ ^/ +/ </ =/ >/ |/ ~/ $/"""
SIGN_ORDER = "".join(pair[0] for pair in ORDER.split()), "".join(pair[1] for pair in ORDER.split())
KATAKANA = "".join(chr(code) for code in range(0x30A1, 0x30F7)), "".join(chr(code) for code in range(0x3041, 0x3097))
SORT_KEY = rf"""
CREATE OR REPLACE FUNCTION portal_sort_key(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $body$
DECLARE
    bare text COLLATE "C" := btrim(value);
    key text COLLATE "C" := bare;
BEGIN
    IF octet_length(bare) > char_length(bare) THEN
        key := replace(replace(replace(translate(key, 'ÞŊƏ', 'þŋə'), 'þ', 'ƿ'), 'ŋ', 'nƿ'), 'ə', 'eƿ');
    END IF;
    key := public.portal_plain(key);
    IF octet_length(key) > char_length(key) THEN
        key := regexp_replace(regexp_replace(key, '[\u3099\u309A]', '', 'g'), '[{OTHER_SIGNS}]', '/', 'g');
        IF key ~ '[\u30A1-\u30F6]' THEN key := translate(key, '{KATAKANA[0]}', '{KATAKANA[1]}'); END IF;
    END IF;
    IF key ~ '[][!"#$%&''()*+,./:;<=>?@\\^_`{{|}}~-]' THEN
        key := translate(key, {literal(SIGN_ORDER[0])}, {literal(SIGN_ORDER[1])});
    END IF;
    IF octet_length(bare) > char_length(bare) THEN
        bare := lower(normalize(bare, NFKD) COLLATE "C");
        key := key || E'\x01' || regexp_replace(bare, '[^{MARKS}]', '', 'g') || E'\x01' || bare;
    END IF;
    RETURN key;
END $body$
"""

# Who has no name is listed by the address, behind everybody who has one.
SORT_NAME = """
CREATE OR REPLACE FUNCTION portal_sort_name(last_name text, first_name text, email text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    key CONSTANT text := public.portal_sort_key(concat_ws(' ', nullif(last_name, ''), nullif(first_name, '')));
BEGIN
    RETURN CASE WHEN key = '' THEN chr(1114111) || public.portal_sort_key(email) ELSE key END;
END $$
"""
SORTED = {
    "users": "public.portal_sort_name({row}last_name, {row}first_name, {row}email)",
    "organizations": "public.portal_sort_key({row}name)",
}
FORMER = {"users": "lower(coalesce(last_name, '') || ' ' || coalesce(first_name, ''))", "organizations": "lower(name)"}

# A generated column can't be computed otherwise without rewriting the table while everybody waits. So it becomes one
# that a trigger fills, whatever a statement says.
KEEP_SORTED = """
CREATE OR REPLACE FUNCTION portal_keep_{table}_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := {sorted};
    RETURN NEW;
END $$
"""
FILLED = """
DO $$ BEGIN
    ALTER TABLE {table} ALTER sort_name DROP EXPRESSION IF EXISTS, ALTER sort_name SET DEFAULT '';
    CREATE OR REPLACE TRIGGER sort_name BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW
    EXECUTE FUNCTION portal_keep_{table}_sorted();
END $$
"""
LIVING = sa.text("deleted_at IS NULL")
INDEXES = {
    "users_name_idx": ("users", []),
    "users_organization_name_idx": ("users", ["organization_id"]),
    "organizations_name_idx": ("organizations", []),
}

# As it was, but for the column that is made of others.
WATCH = """
CREATE OR REPLACE FUNCTION portal_watch(watched regclass, tenant text, secrets text[] DEFAULT '{{}}') RETURNS void
LANGUAGE plpgsql AS $watch$
DECLARE
    unsaid CONSTANT text[] := '{{id,created_at,updated_at,created_by,updated_by,deleted_by,version,last_sign_in_at,'
        'link_counter,invited_at,accepted_at,revoked_at}}';
    writer CONSTANT text := 'portal_history_of_' || watched::text;
    differences text;
    remains text;
    event text;
    rows text;
BEGIN
    SELECT
        string_agg(format('CASE WHEN o.%1$I IS DISTINCT FROM r.%1$I THEN jsonb_build_object(%1$L, '
                || CASE WHEN attname = ANY (secrets) THEN '''[]''::jsonb' ELSE 'jsonb_build_array(o.%1$I, r.%1$I)' END
                || ') ELSE ''{{}}'' END', attname), E'\\n                || ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (unsaid)),
        string_agg(format('%1$L, jsonb_build_array(r.%1$I, NULL)', attname), ', ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (secrets) AND attname <> 'id')
    INTO differences, remains
    FROM pg_attribute WHERE attrelid = watched AND attnum > 0 AND NOT attisdropped AND attgenerated = ''{made};

    EXECUTE format($outer$
CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $inner$
DECLARE
    operation CONSTANT uuid := portal_operation();
    begins CONSTANT boolean := portal_begins_act(operation);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
            tenant, 'create', TG_TABLE_NAME, id, version
        FROM (SELECT r.id, r.version, %2$s AS tenant FROM new_rows r) made;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
            tenant, action, TG_TABLE_NAME, id, version, changes
        FROM (
            SELECT r.id, r.version, %2$s AS tenant,
                CASE WHEN o.deleted_at IS NULL AND r.deleted_at IS NOT NULL THEN 'delete'
                    WHEN o.deleted_at IS NOT NULL AND r.deleted_at IS NULL THEN 'restore'
                    ELSE 'update' END AS action,
        %3$s AS changes
            FROM old_rows o JOIN new_rows r USING (id) OFFSET 0) changed
        WHERE changes <> '{{}}';
    ELSE
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
            tenant, 'remove', TG_TABLE_NAME, id, version, remains
        FROM (SELECT r.id, r.version, %2$s AS tenant, jsonb_build_object(%4$s) AS remains FROM old_rows r) gone;
    END IF;
    RETURN NULL;
END $inner$
    $outer$, writer, tenant, differences, remains);

    FOR event, rows IN VALUES
        ('INSERT', 'NEW TABLE AS new_rows'),
        ('UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
        ('DELETE', 'OLD TABLE AS old_rows') LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT'
            ' EXECUTE FUNCTION %I()', 'history_' || lower(event), event, watched, rows, writer);
    END LOOP;
    EXECUTE format('CREATE OR REPLACE TRIGGER history_truncate BEFORE TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_truncate()', watched);
END
$watch$
"""
MADE = " AND attname <> 'sort_name'"


def upgrade() -> None:
    with committing():
        for statement in (SORT_KEY, SORT_NAME):
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
        for table, sorted_by in SORTED.items():
            op.execute(KEEP_SORTED.format(table=table, sorted=sorted_by.format(row="NEW.")))
            op.execute(FILLED.format(table=table))
    for table, sorted_by in SORTED.items():
        rewrite(
            table,
            f"UPDATE {table} SET sort_name = sort_name"  # noqa: S608
            f" WHERE {{rows}} AND sort_name <> {sorted_by.format(row='')}",
        )
    for name, (table, first) in INDEXES.items():
        make_next(name, table, [*first, sa.text('sort_name COLLATE "C"'), "id"], postgresql_where=LIVING)
    watch(MADE)
    for name in INDEXES:
        put_next(name)


def downgrade() -> None:
    watch("")
    for table, former in FORMER.items():
        op.execute(f"DROP TRIGGER sort_name ON {table}")
        op.execute(f"DROP FUNCTION portal_keep_{table}_sorted()")
        op.drop_column(table, "sort_name")
        made = sa.Column("sort_name", sa.Text, sa.Computed(former, persisted=True), nullable=False)
        op.add_column(table, made)
        op.execute(f"GRANT SELECT (sort_name) ON {table} TO portal_reader")
    op.execute("GRANT SELECT (sort_name) ON users TO portal_tenant")
    for name, (table, first) in INDEXES.items():
        op.create_index(name, table, [*first, "sort_name", "id"], postgresql_where=LIVING)
    op.execute("DROP FUNCTION portal_sort_name(text, text, text), portal_sort_key(text)")


def watch(made: str) -> None:
    op.get_bind().exec_driver_sql(WATCH.format(made=made).replace("%", "%%"))
