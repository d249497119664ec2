-- Counted events, as they are in the lake.
--
-- Definition   received, completed and visit events whose batch passed its agency's gate (or was released)
-- Grain        one row per event (source, event_id)
-- Leaves out   tests, retracted events (in whatever order the retraction came), batches held or not judged yet
-- Not          declarations, inquiries, heartbeats, control totals: those never mix with counted events
SELECT
    e.event_id,
    e.source,
    e.agency_id,
    e.event_type,
    e.occurred_at,
    e.transaction_id,
    e.service_id,
    e.channel,
    e.pid,
    e.visit_id,
    e.province,
    e.district,
    e.outcome,
    e.duration_seconds,
    e.reason_in_person,
    e.in_person_steps,
    e.human_steps,
    e.documents_requested,
    e.assisted_by
FROM lnd_events AS e
WHERE
    e.event_type IN (
        'ir.egov.transaction.received.v1', 'ir.egov.transaction.completed.v1', 'ir.egov.visit.recorded.v1'
    )
    AND e.is_test IS NOT TRUE
    AND EXISTS (
        SELECT 1 FROM ops_counted AS c
WHERE c.batch_id = e.batch_id AND c.agency_id = e.agency_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM fct_retractions AS r
WHERE r.source = e.source AND r.event_id = e.event_id
    )
