-- Answered inquiries, with both months of their Tehran day.
--
-- Definition   inquiry events whose batch passed its agency's gate (or was released); the answering agency reports
-- Grain        one row per event (source, event_id)
-- Leaves out   retracted events, batches held or not judged yet
-- Not          a transaction: inquiries are agencies' business with each other and name no person
SELECT
    e.source,
    e.event_id,
    e.agency_id,
    e.inquiry_id,
    e.counterpart_agency_id,
    e.mode,
    e.occurred_at,
    CASE WHEN e.occurred_at < d.turns_at THEN d.jalali_no_before ELSE d.jalali_no_after END AS jalali_no,
    CASE WHEN e.occurred_at < d.turns_at THEN d.gregorian_no_before ELSE d.gregorian_no_after END AS gregorian_no
FROM lnd_events AS e
INNER JOIN dim_day AS d ON d.utc_date = CAST(e.occurred_at AS DATE)
WHERE
    e.event_type = 'ir.egov.inquiry.answered.v1'
    AND EXISTS (
        SELECT 1 FROM ops_counted AS c
WHERE c.batch_id = e.batch_id AND c.agency_id = e.agency_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM fct_retractions AS r
WHERE r.source = e.source AND r.event_id = e.event_id
    )
