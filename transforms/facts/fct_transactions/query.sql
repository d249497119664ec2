-- Transactions, as their earliest event tells them.
--
-- Definition   a transaction is (agency, transaction_id); of each kind its earliest event counts, by time, then event id
-- Grain        one row per (kind, agency_id, transaction_id)
-- Counts       channel, service, place, outcome, duration, steps, reason for coming in person, helper and person of that
--              one event
-- Leaves out   visits; what stg_counted leaves out
-- Not          a count of events: a completion sent twice under two ids is one transaction
--
-- Nearly every transaction has one event of a kind, and needs no ordering. A hash finds those that may have several:
-- where two share a hash they are told apart below.
WITH several AS (
    SELECT HASH(e.kind, e.agency_id, e.transaction_id) AS transaction_hash
    FROM stg_events AS e
    WHERE e.kind IN ('received', 'completed')
    GROUP BY transaction_hash
    HAVING COUNT(*) > 1
)

SELECT
    e.kind,
    e.agency_id,
    e.transaction_id,
    e.occurred_at,
    e.jalali_no,
    e.gregorian_no,
    e.user_no,
    e.channel,
    e.province,
    e.county,
    e.district,
    e.ministry_id,
    e.service_id,
    e.outcome,
    e.duration_seconds,
    e.reason_in_person,
    e.in_person_steps,
    e.human_steps,
    e.documents_requested,
    e.assisted_by
FROM stg_events AS e
WHERE
    e.kind IN ('received', 'completed')
    AND HASH(e.kind, e.agency_id, e.transaction_id) NOT IN (SELECT s.transaction_hash FROM several AS s)
UNION ALL
SELECT
    e.kind,
    e.agency_id,
    e.transaction_id,
    e.occurred_at,
    e.jalali_no,
    e.gregorian_no,
    e.user_no,
    e.channel,
    e.province,
    e.county,
    e.district,
    e.ministry_id,
    e.service_id,
    e.outcome,
    e.duration_seconds,
    e.reason_in_person,
    e.in_person_steps,
    e.human_steps,
    e.documents_requested,
    e.assisted_by
FROM stg_events AS e
WHERE
    e.kind IN ('received', 'completed')
    AND HASH(e.kind, e.agency_id, e.transaction_id) IN (SELECT s.transaction_hash FROM several AS s)
QUALIFY
    ROW_NUMBER() OVER (PARTITION BY e.kind, e.agency_id, e.transaction_id ORDER BY e.occurred_at, e.event_id, e.source) = 1
