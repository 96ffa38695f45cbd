-- Policies and grants of outbox_emails.

DROP POLICY IF EXISTS reader ON outbox_emails;
REVOKE ALL ON outbox_emails FROM portal_tenant, portal_reader;

CREATE POLICY reader ON outbox_emails FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, user_id, recipient, subject, kept_at) ON outbox_emails TO portal_reader;
