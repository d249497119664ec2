-- The services on offer, in each scope of the agency that offers them.
--
-- Definition   a version of a service while it and its agency are valid, in the scopes the agency has on the day: the
--              nation, the agency, its ministry, province, county and district
-- Grain        one row per (scope, scope_id, service_id, valid_from): a version of the service and a stay of its
--              agency in the scope, as a half-open run of days
-- Counts       services that are live or launching, or whose lifecycle was not provided
-- Leaves out   planned and retired services, and what begins after $today
-- Not          where transactions happen: an event names its own place
WITH followed AS (
    SELECT
        *,
        LAG(valid_before) OVER (PARTITION BY agency_id, scope, scope_id ORDER BY valid_from) = valid_from AS joins_on
    FROM dim_agency_scope
),

versions AS (
    SELECT
        *,
        COUNT(*) FILTER (WHERE joins_on IS NOT TRUE) OVER (
            PARTITION BY agency_id, scope, scope_id ORDER BY valid_from
        ) AS stay
    FROM followed
),

-- Versions of an agency that follow each other in one scope are one stay there: its name may change, its services do not.
stays AS (
    SELECT
        agency_id,
        scope,
        scope_id,
        MIN(valid_from) AS valid_from,
        MAX(valid_before) AS valid_before
    FROM versions
    GROUP BY agency_id, scope, scope_id, stay
)

SELECT
    a.scope,
    a.scope_id,
    s.service_id,
    s.official_code,
    COALESCE(s.declared_level, 'unknown') AS declared_level,
    s.audience,
    s.nature,
    s.lifecycle,
    s.primary_channel,
    s.countability,
    s.via_window,
    s.launched_at,
    GREATEST(s.valid_from, a.valid_from, o.opened_on) AS valid_from,
    LEAST(s.valid_before, a.valid_before) AS valid_before
FROM dim_service_history AS s
INNER JOIN stays AS a
    ON s.agency_id = a.agency_id AND s.valid_from < a.valid_before AND s.valid_before > a.valid_from
CROSS JOIN stg_catalogue_start AS o
WHERE
    COALESCE(s.lifecycle, 'live') IN ('live', 'launching')
    AND GREATEST(s.valid_from, a.valid_from, o.opened_on) < LEAST(s.valid_before, a.valid_before)
    AND GREATEST(s.valid_from, a.valid_from) <= $today
