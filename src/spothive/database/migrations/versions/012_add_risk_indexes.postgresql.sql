-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Both tables
-- are small, and reads go on meanwhile.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_risk_sources_source_client_id_instance_id ON risk_sources (source_client_id, instance_id);

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX ix_risk_sources_source_client_id;

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_spot_pool_risks_region_instance_type ON spot_pool_risks (region, instance_type);
