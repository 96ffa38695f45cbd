-- Policies and grants of search_words, which only triggers change. Tenants can't read it: see portal_similar_words.

DROP POLICY IF EXISTS reader ON search_words;
REVOKE ALL ON search_words FROM portal_tenant, portal_reader;

ALTER TABLE search_words ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON search_words FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON search_words TO portal_reader;
