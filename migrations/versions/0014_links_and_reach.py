"""A mailed link never comes to life again; functions that act as the owner look whom a tenant's caller reaches."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# What the link's digest covers: an undone change would bring the digest back, a number that only grows does not.
COVERED = ("email", "pending_email", "password", "role", "organization_id")
FORMER, LATER = (", ".join(f"{row}.{name}" for name in COVERED) for row in ("OLD", "NEW"))
KILL_LINKS = f"""
CREATE FUNCTION portal_kill_links() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF ({FORMER}) IS DISTINCT FROM ({LATER}) THEN
        NEW.link_counter := greatest(NEW.link_counter, OLD.link_counter + 1);
    END IF;
    RETURN NEW;
END $$
"""
TRIGGER = f"""
CREATE TRIGGER users_links BEFORE UPDATE OF {", ".join(COVERED)} ON users FOR EACH ROW
EXECUTE FUNCTION portal_kill_links()
"""

REACHES = """
CREATE FUNCTION portal_reaches(who uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
RETURN current_setting('role') <> 'portal_tenant' OR EXISTS (
    SELECT FROM public.users WHERE id = who AND (
        id = nullif(current_setting('portal.actor_id', true), '')::uuid
        OR current_setting('portal.actor_role', true) = 'ADMIN' AND role <> 'SUPER_ADMIN'
        AND organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid))
"""
FACTORS = """
CREATE OR REPLACE FUNCTION portal_has_second_factor(who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
RETURN {reached}(EXISTS (SELECT FROM public.authenticators WHERE user_id = who)
    OR EXISTS (SELECT FROM public.passkeys WHERE user_id = who))
"""
# The function stands as migration 0009 wrote it, in a schema with words of the queue's: it is changed by its own words.
SEND_LATER = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('portal_send_later'::regproc), $words${}$words$, $words${}$words$);
END $do$
"""
UNASKED = "NULL)::procrastinate_job_to_defer_v1])"
ASKED = f"{UNASKED}\nWHERE public.portal_reaches(user_id)"


def upgrade() -> None:
    for statement in (KILL_LINKS, TRIGGER, REACHES, "REVOKE ALL ON FUNCTION portal_reaches(uuid) FROM PUBLIC"):
        op.execute(statement)
    op.execute(FACTORS.format(reached="public.portal_reaches(who) AND "))
    op.execute(SEND_LATER.format(UNASKED, ASKED))


def downgrade() -> None:
    op.execute(SEND_LATER.format(ASKED, UNASKED))
    op.execute(FACTORS.format(reached=""))
    op.execute("DROP TRIGGER users_links ON users")
    op.execute("DROP FUNCTION portal_reaches(uuid), portal_kill_links()")
