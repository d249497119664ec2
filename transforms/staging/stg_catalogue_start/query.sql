-- The day from which a service or an agency counts whose first day was not provided.
--
-- Definition   the earliest day that the catalogue names as a first or last day of a service or an agency; where it names
--              none, the earliest launch; where there is none either, $today
-- Grain        one row
-- Not          the day of a load: the same catalogue loaded twice gives the same rows
WITH versions AS (
    SELECT
        valid_from,
        valid_before
    FROM dim_service_history
    UNION ALL
    SELECT
        valid_from,
        valid_before
    FROM dim_agency_history
),

named AS (
    SELECT
        MIN(valid_from) FILTER (WHERE valid_from > DATE '0001-01-01') AS first_start,
        MIN(valid_before - 1) FILTER (WHERE valid_before < DATE '9999-12-31') AS first_end
    FROM versions
)

SELECT
    LEAST(
        $today,
        COALESCE(LEAST(first_start, first_end), (SELECT MIN(launched_at) FROM dim_service_history), $today)
    ) AS opened_on
FROM named
