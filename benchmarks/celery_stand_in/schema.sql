CREATE TABLE renewal (
    id integer PRIMARY KEY,
    ssl_id bigint NOT NULL,
    common_name text NOT NULL,
    sans text[] NOT NULL,
    algorithm text NOT NULL,
    status text NOT NULL DEFAULT 'due',
    key_sealed bytea,
    spki_sha256 text,
    successor bigint,
    certificate_pem text,
    chain_pem text,
    serial_number text,
    sha256_fingerprint text,
    not_after timestamptz,
    stored_at timestamptz
);
CREATE INDEX renewal_status ON renewal (status);
