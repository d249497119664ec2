-- Landed events with their Tehran day, as far as they say when something arrived or how an agency is.
--
-- Definition   every row of lake/events in the (batch, agency) pairs of chg_landed_pairs, whatever the gate decided
-- Grain        one row per landed event
-- Counts       tests and retracted events too: they were sent and they arrived
-- Leaves out   batches not judged yet: each pair is taken once, when it is first judged
-- Not          counted events; see stg_counted
SELECT
    e.event_id,
    e.source,
    e.agency_id,
    e.event_type,
    e.occurred_at,
    CASE WHEN e.occurred_at < d.turns_at THEN d.day_before ELSE d.day_after END AS day,
    e.landed_at,
    e.retracted_event_id,
    e.sender_contract_version,
    e.window_connected,
    e.total_date,
    e.total_event_type,
    e.total_count,
    e.id_checksum
FROM lnd_events AS e
SEMI JOIN chg_landed_pairs AS p ON e.batch_id = p.batch_id AND e.agency_id = p.agency_id
INNER JOIN dim_day AS d ON d.utc_date = CAST(e.occurred_at AS DATE)
