CREATE INDEX ix_agent_actions_leases ON agent_actions (tenant_id, leased_until) WHERE status = 'PICKED_UP';
