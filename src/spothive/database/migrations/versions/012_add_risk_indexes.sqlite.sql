CREATE INDEX ix_risk_sources_source_client_id_instance_id ON risk_sources (source_client_id, instance_id);

DROP INDEX ix_risk_sources_source_client_id;

CREATE INDEX ix_spot_pool_risks_region_instance_type ON spot_pool_risks (region, instance_type);
