-- How people arrange their lists: columns, rows per page and density.

CREATE TABLE list_arrangements (
    user_id uuid NOT NULL,
    lists jsonb NOT NULL,
    CONSTRAINT list_arrangements_pkey PRIMARY KEY (user_id),
    CONSTRAINT list_arrangements_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE POLICY reader ON list_arrangements FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON list_arrangements TO portal_reader;
