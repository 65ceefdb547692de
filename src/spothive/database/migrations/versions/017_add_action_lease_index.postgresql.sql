-- Not CONCURRENTLY, as in 016: a revision is one transaction. Reads go on meanwhile; writes of this table wait.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_agent_actions_leases ON agent_actions (tenant_id, leased_until) WHERE status = 'PICKED_UP';
