-- On which Tehran days an agency, and a district, had counted events.
--
-- Definition   counted events of the three types
-- Grain        one row per (agency_id, district, day); district is NULL where the event names none
-- Counts       events, with or without a person; additive, so a change is added or taken off
-- Not          transactions or visits
SELECT
    e.agency_id,
    e.district,
    CASE WHEN e.occurred_at < d.turns_at THEN d.day_before ELSE d.day_after END AS day,
    COUNT(*) AS events
FROM stg_events AS e
INNER JOIN dim_day AS d ON d.utc_date = CAST(e.occurred_at AS DATE)
GROUP BY 1, 2, 3
