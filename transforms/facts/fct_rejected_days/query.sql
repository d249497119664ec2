-- How many records of an agency could not be accepted, on each Tehran day of arrival.
--
-- Definition   open rows of lake/quarantine by the Tehran day on which they landed
-- Grain        one row per (agency_id, day)
-- Leaves out   records replayed or dropped since
-- Not          dated by Kafka's timestamp: producers may write what they like there, and accepted rows do not keep it
SELECT
    q.agency_id,
    CASE WHEN q.landed_at < d.turns_at THEN d.day_before ELSE d.day_after END AS day,
    COUNT(*) AS rejected
FROM lnd_quarantine AS q
INNER JOIN dim_day AS d ON d.utc_date = CAST(q.landed_at AS DATE)
WHERE q.state = 'open' AND q.agency_id IS NOT NULL
GROUP BY 1, 2
