-- Triggers, policies and grants of authenticators.

CREATE OR REPLACE TRIGGER two_factor AFTER INSERT OR DELETE OR UPDATE OF user_id ON authenticators FOR EACH ROW
EXECUTE FUNCTION portal_keep_two_factor();

DROP POLICY IF EXISTS reader ON authenticators;
REVOKE ALL ON authenticators FROM portal_tenant, portal_reader;

CREATE POLICY reader ON authenticators FOR SELECT TO portal_reader USING (true);
GRANT SELECT (user_id, last_step, created_at, used_at) ON authenticators TO portal_reader;
