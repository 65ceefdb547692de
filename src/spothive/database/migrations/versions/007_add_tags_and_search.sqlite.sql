CREATE TABLE tags (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    color TEXT,
    created_by TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tags_tenant_id_slug UNIQUE (tenant_id, slug),
    CONSTRAINT ck_tags_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_name_length CHECK (length(name) >= 1 AND length(name) <= 50 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_tags_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 50 AND instr(slug, char(0)) = 0),
    CONSTRAINT ck_tags_slug_ascii CHECK (slug NOT GLOB '*[^a-z0-9-]*'),
    CONSTRAINT ck_tags_color_length CHECK (length(color) >= 4 AND length(color) <= 7 AND instr(color, char(0)) = 0),
    CONSTRAINT ck_tags_color_ascii CHECK (color NOT GLOB '*[^#0-9a-f]*'),
    CONSTRAINT ck_tags_created_by_uuid CHECK (length(created_by) = 32 AND created_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_tags_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_tags_id UNIQUE (id),
    CONSTRAINT fk_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
)
 STRICT;

CREATE TABLE experiment_tags (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    lab_experiment_id TEXT NOT NULL,
    tag_id TEXT NOT NULL,
    added_by TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_experiment_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_experiment_tags_tenant_id_lab_experiment_id_tag_id UNIQUE (tenant_id, lab_experiment_id, tag_id),
    CONSTRAINT ck_experiment_tags_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_lab_experiment_id_uuid CHECK (length(lab_experiment_id) = 32 AND lab_experiment_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_tag_id_uuid CHECK (length(tag_id) = 32 AND tag_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_added_by_uuid CHECK (length(added_by) = 32 AND added_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_experiment_tags_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_experiment_tags_id UNIQUE (id),
    CONSTRAINT fk_experiment_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_lab_experiment_id FOREIGN KEY(tenant_id, lab_experiment_id) REFERENCES lab_experiments (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_tag_id FOREIGN KEY(tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_experiment_tags_tenant_id_tag_id ON experiment_tags (tenant_id, tag_id);

CREATE TABLE saved_searches (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    "query" TEXT NOT NULL,
    is_pinned INTEGER DEFAULT 0 NOT NULL,
    usage_count INTEGER DEFAULT '0' NOT NULL,
    last_used_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_saved_searches PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_saved_searches_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT ck_saved_searches_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_saved_searches_query_length CHECK (length(query) >= 1 AND length(query) <= 1000 AND instr(query, char(0)) = 0),
    CONSTRAINT ck_saved_searches_is_pinned_bool CHECK (is_pinned IN (0, 1)),
    CONSTRAINT ck_saved_searches_usage_count_range CHECK (usage_count >= 0 AND usage_count <= 2147483647),
    CONSTRAINT ck_saved_searches_last_used_at_utc CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_used_at, 1, 10), '+0 days') IS substr(last_used_at, 1, 10) AND substr(last_used_at, 1, 4) > '0000' AND substr(last_used_at, 12, 2) < '24' AND substr(last_used_at, 15, 2) < '60' AND substr(last_used_at, 18, 2) < '60' OR last_used_at IS NULL),
    CONSTRAINT ck_saved_searches_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_saved_searches_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_saved_searches_id UNIQUE (id),
    CONSTRAINT fk_saved_searches_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_saved_searches_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

