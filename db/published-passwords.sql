-- Lists the logins whose password anybody can read in this repository. It runs in psql and in
-- PostgreSQL's single-user mode, where a blank line ends a statement: put one after each statement
-- and none inside.

CREATE FUNCTION pg_temp.pad(key bytea, with_byte integer) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    short  bytea := CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END;
    padded bytea := decode(repeat(lpad(to_hex(with_byte), 2, '0'), 64), 'hex');
BEGIN
    FOR i IN 0 .. length(short) - 1 LOOP
        padded := set_byte(padded, i, get_byte(short, i) # with_byte);
    END LOOP;
    RETURN padded;
END
$$;

CREATE FUNCTION pg_temp.hmac(key bytea, message bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT sha256(pg_temp.pad(key, 92) || sha256(pg_temp.pad(key, 54) || message))
$$;

-- Makes the two HMAC pads once, because the loop runs thousands of times.
CREATE FUNCTION pg_temp.pbkdf2(password bytea, salt bytea, iterations integer)
RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    outer_pad bytea := pg_temp.pad(password, 92);
    inner_pad bytea := pg_temp.pad(password, 54);
    step      bytea := salt || '\x00000001';
    result    bit(256) := repeat('0', 256)::bit(256);
    bytes     text := '';
BEGIN
    FOR i IN 1 .. iterations LOOP
        step := sha256(outer_pad || sha256(inner_pad || step));
        result := result # ('x' || encode(step, 'hex'))::bit(256);
    END LOOP;
    FOR i IN 0 .. 31 LOOP
        bytes := bytes || lpad(to_hex(substring(result FROM 8 * i + 1 FOR 8)::integer), 2, '0');
    END LOOP;
    RETURN decode(bytes, 'hex');
END
$$;

-- Whether the login accepts the password; null if that cannot be determined.
CREATE FUNCTION pg_temp.accepts(login text, verifier text, password text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    scram text[] := regexp_match(verifier, '^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):');
    salt  bytea := decode(scram[2], 'base64');
    key   bytea;
BEGIN
    IF verifier LIKE 'md5%' THEN
        RETURN verifier = 'md5' || md5(password || login);
    ELSIF scram IS NULL OR password ~ '[^ -~]' THEN -- clients normalise non-ASCII
        RETURN NULL;
    END IF;
    key := pg_temp.pbkdf2(convert_to(password, 'UTF8'), salt, scram[1]::integer);
    RETURN encode(sha256(pg_temp.hmac(key, 'Client Key')), 'base64') = scram[3];
END
$$;

-- The passwords in the Compose files and in .env.example.
SELECT DISTINCT rolname AS published
FROM pg_authid
CROSS JOIN (VALUES
    ('lab-only-owner'),
    ('lab-only-api'),
    ('lab-only-monitor'),
    ('change-me-owner'),
    ('change-me-api'),
    ('change-me-monitor')
) AS known (password)
WHERE rolcanlogin AND pg_temp.accepts(rolname, rolpassword, password)
ORDER BY rolname;

