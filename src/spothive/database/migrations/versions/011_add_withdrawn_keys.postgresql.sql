CREATE TABLE withdrawn_keys (
    id UUID NOT NULL,
    key_id TEXT NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    person_name TEXT NOT NULL,
    CONSTRAINT pk_withdrawn_keys PRIMARY KEY (id),
    CONSTRAINT uq_withdrawn_keys_key_id UNIQUE (key_id),
    CONSTRAINT ck_withdrawn_keys_key_id_length CHECK (length(key_id) >= 8 AND length(key_id) <= 8),
    CONSTRAINT ck_withdrawn_keys_key_id_ascii CHECK (key_id COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_withdrawn_keys_withdrawn_at_utc CHECK (withdrawn_at >= '0001-01-01 00:00:00+00' AND withdrawn_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_withdrawn_keys_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255)
);

COMMENT ON COLUMN withdrawn_keys.id IS 'UUIDv7';

COMMENT ON COLUMN withdrawn_keys.key_id IS 'id of the key, which is no secret';

COMMENT ON COLUMN withdrawn_keys.withdrawn_at IS 'UTC';

COMMENT ON COLUMN withdrawn_keys.person_name IS 'who withdrew it, by the name of that time';

