-- Counted events with their Tehran day, both months and the places they count in.
--
-- Definition   the ministry is the root of the parent chain, the county the district's parent, both as of the event's day
-- Grain        one row per counted event
-- Counts       an event without a key too: user_no is then NULL
-- Not          a guess: nothing is filled in from the agency, an event without a province has none
WITH dated AS (
    SELECT
        e.*,
        CASE WHEN e.occurred_at < d.turns_at THEN d.day_before ELSE d.day_after END AS event_date,
        CASE WHEN e.occurred_at < d.turns_at THEN d.jalali_no_before ELSE d.jalali_no_after END AS jalali_no,
        CASE WHEN e.occurred_at < d.turns_at THEN d.gregorian_no_before ELSE d.gregorian_no_after END AS gregorian_no
    FROM stg_counted AS e
    INNER JOIN dim_day AS d ON d.utc_date = CAST(e.occurred_at AS DATE)
)

SELECT
    e.event_id,
    e.source,
    CASE e.event_type
        WHEN 'ir.egov.transaction.received.v1' THEN 'received'
        WHEN 'ir.egov.transaction.completed.v1' THEN 'completed'
        ELSE 'visit'
    END AS kind,
    e.occurred_at,
    e.jalali_no,
    e.gregorian_no,
    e.transaction_id,
    e.visit_id,
    u.user_no,
    e.channel,
    e.province,
    c.county,
    e.district,
    m.ministry_id,
    e.agency_id,
    e.service_id,
    e.outcome,
    e.duration_seconds,
    e.reason_in_person,
    e.in_person_steps,
    e.human_steps,
    e.documents_requested,
    e.assisted_by
FROM dated AS e
LEFT JOIN fct_users AS u ON e.pid = u.pid
LEFT JOIN dim_agency_ministry AS m
    ON e.agency_id = m.agency_id AND e.event_date >= m.valid_from AND e.event_date < m.valid_before
LEFT JOIN dim_district_county AS c
    ON e.district = c.district AND e.event_date >= c.valid_from AND e.event_date < c.valid_before
