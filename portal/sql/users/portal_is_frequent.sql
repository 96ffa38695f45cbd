-- Whether reading rows in the order of a list until `room` of them match is faster than looking up and sorting all
-- matches among `size` rows, which costs about three times as much per row. In a sample of 1,000 rows, `hits`
-- contain the searched words, and `fitting` of these also pass the filters. Fewer than 3 are not significant.
CREATE OR REPLACE FUNCTION portal_is_frequent(hits bigint, fitting bigint, room integer, size real) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN fitting >= 3 AND room * 1000 / nullif(fitting, 0) < 3 * size * hits / 1000;
