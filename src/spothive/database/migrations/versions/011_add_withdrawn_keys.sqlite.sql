CREATE TABLE withdrawn_keys (
    id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    withdrawn_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    person_name TEXT NOT NULL,
    CONSTRAINT pk_withdrawn_keys PRIMARY KEY (id),
    CONSTRAINT uq_withdrawn_keys_key_id UNIQUE (key_id),
    CONSTRAINT ck_withdrawn_keys_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_withdrawn_keys_key_id_length CHECK (length(key_id) >= 8 AND length(key_id) <= 8 AND instr(key_id, char(0)) = 0),
    CONSTRAINT ck_withdrawn_keys_key_id_ascii CHECK (key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_withdrawn_keys_withdrawn_at_utc CHECK (withdrawn_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(withdrawn_at, 1, 10), '+0 days') IS substr(withdrawn_at, 1, 10) AND substr(withdrawn_at, 1, 4) > '0000' AND substr(withdrawn_at, 12, 2) < '24' AND substr(withdrawn_at, 15, 2) < '60' AND substr(withdrawn_at, 18, 2) < '60' OR withdrawn_at IS NULL),
    CONSTRAINT ck_withdrawn_keys_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255 AND instr(person_name, char(0)) = 0)
)
 STRICT;

