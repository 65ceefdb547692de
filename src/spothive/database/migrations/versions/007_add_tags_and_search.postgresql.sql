CREATE TABLE tags (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    color TEXT,
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tags_tenant_id_slug UNIQUE (tenant_id, slug),
    CONSTRAINT ck_tags_name_length CHECK (length(name) >= 1 AND length(name) <= 50),
    CONSTRAINT ck_tags_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 50),
    CONSTRAINT ck_tags_slug_ascii CHECK (slug COLLATE "C" ~ '^[a-z0-9-]*$'),
    CONSTRAINT ck_tags_color_length CHECK (length(color) >= 4 AND length(color) <= 7),
    CONSTRAINT ck_tags_color_ascii CHECK (color COLLATE "C" ~ '^[#0-9a-f]*$'),
    CONSTRAINT ck_tags_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tags_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_tags_id UNIQUE (id),
    CONSTRAINT fk_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
);

COMMENT ON COLUMN tags.tenant_id IS 'owner of the row';

COMMENT ON COLUMN tags.id IS 'UUIDv7';

COMMENT ON COLUMN tags.name IS 'for people';

COMMENT ON COLUMN tags.slug IS 'how a search spells it';

COMMENT ON COLUMN tags.color IS 'for example #ff8800';

COMMENT ON COLUMN tags.created_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN tags.created_at IS 'UTC';

COMMENT ON COLUMN tags.updated_at IS 'UTC';

CREATE TABLE experiment_tags (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    lab_experiment_id UUID NOT NULL,
    tag_id UUID NOT NULL,
    added_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_experiment_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_experiment_tags_tenant_id_lab_experiment_id_tag_id UNIQUE (tenant_id, lab_experiment_id, tag_id),
    CONSTRAINT ck_experiment_tags_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_experiment_tags_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_experiment_tags_id UNIQUE (id),
    CONSTRAINT fk_experiment_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_lab_experiment_id FOREIGN KEY(tenant_id, lab_experiment_id) REFERENCES lab_experiments (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_tag_id FOREIGN KEY(tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_experiment_tags_tenant_id_tag_id ON experiment_tags (tenant_id, tag_id);

COMMENT ON COLUMN experiment_tags.tenant_id IS 'owner of the row';

COMMENT ON COLUMN experiment_tags.id IS 'UUIDv7';

COMMENT ON COLUMN experiment_tags.lab_experiment_id IS 'what is tagged';

COMMENT ON COLUMN experiment_tags.tag_id IS 'with what';

COMMENT ON COLUMN experiment_tags.added_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN experiment_tags.created_at IS 'UTC';

COMMENT ON COLUMN experiment_tags.updated_at IS 'UTC';

CREATE TABLE saved_searches (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    is_pinned BOOLEAN DEFAULT false NOT NULL,
    usage_count BIGINT DEFAULT '0' NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_saved_searches PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_saved_searches_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT ck_saved_searches_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_saved_searches_query_length CHECK (length(query) >= 1 AND length(query) <= 1000),
    CONSTRAINT ck_saved_searches_usage_count_range CHECK (usage_count >= 0 AND usage_count <= 2147483647),
    CONSTRAINT ck_saved_searches_last_used_at_utc CHECK (last_used_at >= '0001-01-01 00:00:00+00' AND last_used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_saved_searches_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_saved_searches_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_saved_searches_id UNIQUE (id),
    CONSTRAINT fk_saved_searches_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_saved_searches_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

COMMENT ON COLUMN saved_searches.tenant_id IS 'owner of the row';

COMMENT ON COLUMN saved_searches.id IS 'UUIDv7';

COMMENT ON COLUMN saved_searches.user_id IS 'whose search it is';

COMMENT ON COLUMN saved_searches.name IS 'what the user calls it';

COMMENT ON COLUMN saved_searches.query IS 'as it was typed';

COMMENT ON COLUMN saved_searches.is_pinned IS 'shown first';

COMMENT ON COLUMN saved_searches.usage_count IS 'times it was made';

COMMENT ON COLUMN saved_searches.last_used_at IS 'UTC';

COMMENT ON COLUMN saved_searches.created_at IS 'UTC';

COMMENT ON COLUMN saved_searches.updated_at IS 'UTC';

