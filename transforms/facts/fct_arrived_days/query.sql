-- How many records of an agency were accepted on each Tehran day of arrival.
--
-- Definition   rows of lake/events by the Tehran day on which they landed
-- Grain        one row per (agency_id, day)
-- Counts       every landed row; beside fct_rejected_days it says which part of what arrived kept to the contract
-- Not          a day of events: history sent today arrives today
SELECT
    e.agency_id,
    CASE WHEN e.landed_at < d.turns_at THEN d.day_before ELSE d.day_after END AS day,
    COUNT(*) AS accepted
FROM stg_landed AS e
INNER JOIN dim_day AS d ON d.utc_date = CAST(e.landed_at AS DATE)
GROUP BY 1, 2
