-- Policies and grants of idempotency_keys.

DROP POLICY IF EXISTS reader ON idempotency_keys;
REVOKE ALL ON idempotency_keys FROM portal_tenant, portal_reader;

CREATE POLICY reader ON idempotency_keys FOR SELECT TO portal_reader USING (true);
GRANT SELECT (created_at) ON idempotency_keys TO portal_reader;
