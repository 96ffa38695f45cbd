-- Triggers, policies and grants of brands. Tenants have no policy and no privilege.

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON brands
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();
CREATE OR REPLACE TRIGGER record AFTER INSERT ON brands FOR EACH ROW EXECUTE FUNCTION portal_record_brand();

DROP POLICY IF EXISTS reader ON brands;
REVOKE ALL ON brands FROM portal_tenant, portal_reader;

ALTER TABLE brands ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON brands FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON brands TO portal_reader;
