-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Reads go
-- on meanwhile, and explanations are written in the background.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_explanations_tenant_id_method_created_at ON explanations (tenant_id, method, created_at);

