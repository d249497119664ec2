-- Heartbeats: an agency's own word on its contract version and on the national window.
--
-- Definition   agency.heartbeat events, of held batches too: they speak of the agency, not of people
-- Grain        one row per (source, event_id)
-- Leaves out   retracted heartbeats, in whatever order the retraction came (transforms/landed.py takes them out)
-- Not          proof of a connection; window_connected is NULL where the heartbeat does not say
SELECT
    agency_id,
    source,
    event_id,
    occurred_at,
    day,
    sender_contract_version AS contract_version,
    window_connected
FROM stg_landed
WHERE event_type = 'ir.egov.agency.heartbeat.v1'
