CREATE INDEX ix_explanations_tenant_id_method_created_at ON explanations (tenant_id, method, created_at);

