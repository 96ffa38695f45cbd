-- Whether reading rows in the order of a list until `room` of them match takes less than looking all matches up in a
-- table of `size` rows and sorting them, which costs about three times as much a row. In a sample of 1,000 rows,
-- `hits` have the words that are searched, and `fitting` of these pass the filters too. Fewer than 3 say too little.
CREATE OR REPLACE FUNCTION portal_is_frequent(hits bigint, fitting bigint, room integer, size real) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN fitting >= 3 AND room * 1000 / nullif(fitting, 0) < 3 * size * hits / 1000;
