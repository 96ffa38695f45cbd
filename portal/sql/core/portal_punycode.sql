-- Decodes a label of an international domain (RFC 3492, without the xn--). NULL if it is invalid.
CREATE OR REPLACE FUNCTION portal_punycode(code text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    basic CONSTANT integer := length(code) - strpos(reverse(code), '-');
    decoded text := CASE WHEN strpos(code, '-') > 0 THEN left(code, basic) ELSE '' END;
    next integer := CASE WHEN strpos(code, '-') > 0 THEN basic + 2 ELSE 1 END;
    letter bigint := 128;
    place bigint := 0;
    former bigint;
    weight bigint;
    bias bigint := 72;
    step bigint;
    threshold bigint;
    digit integer;
BEGIN
    WHILE next <= length(code) LOOP
        former := place;
        weight := 1;
        step := 36;
        LOOP
            digit := strpos('abcdefghijklmnopqrstuvwxyz0123456789', substr(code, next, 1)) - 1;
            IF next > length(code) OR digit < 0 OR weight > 1e12 THEN
                RETURN NULL;
            END IF;
            next := next + 1;
            place := place + digit * weight;
            threshold := least(greatest(step - bias, 1), 26);
            EXIT WHEN digit < threshold;
            weight := weight * (36 - threshold);
            step := step + 36;
        END LOOP;
        bias := (place - former) / CASE WHEN former = 0 THEN 700 ELSE 2 END;
        bias := bias + bias / (length(decoded) + 1);
        step := 0;
        WHILE bias > 455 LOOP
            bias := bias / 35;
            step := step + 36;
        END LOOP;
        bias := step + 36 * bias / (bias + 38);
        letter := letter + place / (length(decoded) + 1);
        place := place % (length(decoded) + 1);
        IF letter > 1114111 OR letter BETWEEN 55296 AND 57343 THEN
            RETURN NULL;
        END IF;
        decoded := left(decoded, place::integer) || chr(letter::integer) || substr(decoded, place::integer + 1);
        place := place + 1;
    END LOOP;
    RETURN decoded;
END $$;
