-- Where activity came and went: long runs of days without a counted event.
--
-- Definition   a run of more than 30 Tehran days without a counted event, between two days that have one, or from the
--              last one to the lake's last day (is_open) or the last valid day of the agency or district
-- Grain        one row per (scope, scope_id, gap_from); both ends belong to the gap
-- Counts       agencies by their own events, districts by the events that name them
-- Leaves out   agencies and districts that never had a counted event: see agency_status and district_services
-- Not          proof that nothing happened: events may be late, held or untold
WITH active AS (
    SELECT DISTINCT
        'agency' AS scope,
        agency_id AS scope_id,
        day
    FROM fct_active_days
    UNION ALL
    SELECT DISTINCT
        'district' AS scope,
        district AS scope_id,
        day
    FROM fct_active_days
    WHERE district IS NOT NULL
),

ends AS (
    SELECT
        'agency' AS scope,
        agency_id AS scope_id,
        MAX(valid_before) AS valid_before
    FROM dim_agency_history
    GROUP BY agency_id
    UNION ALL
    SELECT
        'district' AS scope,
        place_id AS scope_id,
        MAX(valid_before) AS valid_before
    FROM dim_place_history
    WHERE kind = 'district'
    GROUP BY place_id
),

lake AS (
    SELECT MAX(day) AS last_day
    FROM fct_landed_days
    WHERE STARTS_WITH(source, '/agencies/')
),

followed AS (
    SELECT
        *,
        LEAD(day) OVER (PARTITION BY scope, scope_id ORDER BY day) AS next_day
    FROM active
),

gaps AS (
    SELECT
        f.scope,
        f.scope_id,
        f.day + 1 AS gap_from,
        COALESCE(f.next_day, LEAST(lake.last_day + 1, COALESCE(e.valid_before, lake.last_day + 1))) - 1 AS gap_to,
        f.next_day IS NULL AND COALESCE(e.valid_before > lake.last_day, TRUE) AS is_open
    FROM followed AS f
    CROSS JOIN lake
    LEFT JOIN ends AS e ON f.scope = e.scope AND f.scope_id = e.scope_id
)

SELECT
    scope,
    scope_id,
    gap_from,
    gap_to,
    is_open,
    gap_to - gap_from + 1 AS days,
    'value' AS days_status,
    1 AS metric_version
FROM gaps
WHERE gap_to - gap_from + 1 > 30
