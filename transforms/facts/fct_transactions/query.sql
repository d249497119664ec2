-- Transactions, as their earliest event tells them.
--
-- Definition   a transaction is (agency, transaction_id); of each kind its earliest event counts, by time, then event id
-- Grain        one row per (kind, agency_id, transaction_id)
-- Counts       channel, service, place, outcome, duration, steps, reason for coming in person, helper and person of that
--              one event
-- Leaves out   visits; what stg_counted leaves out
-- Not          a count of events: a completion sent twice under two ids is one transaction
SELECT
    kind,
    agency_id,
    transaction_id,
    occurred_at,
    jalali_no,
    gregorian_no,
    user_no,
    channel,
    province,
    county,
    district,
    ministry_id,
    service_id,
    outcome,
    duration_seconds,
    reason_in_person,
    in_person_steps,
    human_steps,
    documents_requested,
    assisted_by
FROM stg_events
WHERE kind IN ('received', 'completed')
QUALIFY ROW_NUMBER() OVER (PARTITION BY kind, agency_id, transaction_id ORDER BY occurred_at, event_id, source) = 1
