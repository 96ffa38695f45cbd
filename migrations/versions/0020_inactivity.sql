-- After how many days without signing in an organization's people are warned and deactivated.

ALTER TABLE organizations ADD COLUMN inactive_days integer, ADD COLUMN warning_days integer;
GRANT UPDATE (inactive_days, warning_days) ON organizations TO portal_tenant;
GRANT SELECT (inactive_days, warning_days) ON organizations TO portal_reader;
-- The history's functions name the columns.
SELECT portal_watch('organizations', 'r.id');
