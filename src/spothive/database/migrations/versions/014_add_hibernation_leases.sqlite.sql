ALTER TABLE hibernation_schedules ADD COLUMN lease_token TEXT CONSTRAINT ck_hibernation_schedules_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*');

ALTER TABLE hibernation_schedules ADD COLUMN leased_until TEXT CONSTRAINT ck_hibernation_schedules_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL)) CONSTRAINT ck_hibernation_schedules_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL);

ALTER TABLE hibernation_schedules ADD COLUMN request_id TEXT CONSTRAINT ck_hibernation_schedules_request_id_uuid CHECK (length(request_id) = 32 AND request_id NOT GLOB '*[^0-9a-f]*');

ALTER TABLE hibernation_schedules ADD COLUMN obstacle TEXT CONSTRAINT ck_hibernation_schedules_obstacle_length CHECK (length(obstacle) >= 1 AND length(obstacle) <= 2000 AND instr(obstacle, char(0)) = 0);
