-- Control totals, each as it was said.
--
-- Definition   agency.control_total events, of held batches too: they speak of the agency, not of people
-- Grain        one row per (source, event_id)
-- Leaves out   retracted totals, in whatever order the retraction came (transforms/landed.py takes them out)
-- Not          the total that holds: a later one for the same source, day and type replaces the earlier
SELECT
    agency_id,
    source,
    event_id,
    occurred_at,
    total_date AS day,
    total_event_type AS event_type,
    total_count AS control_total,
    id_checksum
FROM stg_landed
WHERE event_type = 'ir.egov.agency.control_total.v1'
