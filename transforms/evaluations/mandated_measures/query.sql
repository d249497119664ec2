-- What the mandates ask for, measured: the measures and kinds of scope that some mandate names.
--
-- Definition   value: counted / total, for electronic_services counted itself; value_upper adds perhaps_counted.
--              electronic_share, electronic_services: full and smart services (service_levels), perhaps those of unknown level;
--              smart_share: smart ones; window_service_share: services with via_window, perhaps those of which nobody told;
--              window_connected_share: agencies expected to report whose state is connected or degraded;
--              inquiries_online_share: inquiries answered online in the latest Jalali month that has ended
-- Grain        one row per (measure, scope, scope_id, as_of); as_of: each day, $today at most, on which a number changes; an
--              inquiry month counts from the day after it, connections from the first day of agency_status
-- Counts       for services what service_levels counts; window_service_share each agency's service also in the nation
-- Leaves out   agencies not expected to report, and those of which nobody told whether they are
-- Not          compliance; inquiries are not provided where one agency of the scope did not tell its paper ones
WITH asked AS (
    SELECT DISTINCT
        measure,
        scope
    FROM dim_mandate
),

by_level AS (
    SELECT
        a.measure,
        l.scope,
        l.scope_id,
        l.as_of,
        CASE WHEN a.measure = 'smart_share' THEN l.smart ELSE l."full" + l.smart END AS counted,
        l.unknown AS perhaps_counted,
        CASE WHEN a.measure <> 'electronic_services' THEN l.services END AS total
    FROM service_levels_v1 AS l
    INNER JOIN asked AS a
        ON l.scope = a.scope AND a.measure IN ('electronic_share', 'smart_share', 'electronic_services')
),

window_changes AS (
    SELECT
        s.scope,
        s.scope_id,
        s.valid_from AS as_of,
        s.via_window,
        1 AS change
    FROM stg_offered_services AS s
    SEMI JOIN asked AS a ON s.scope = a.scope AND a.measure = 'window_service_share'
    UNION ALL
    SELECT
        s.scope,
        s.scope_id,
        s.valid_before AS as_of,
        s.via_window,
        -1 AS change
    FROM stg_offered_services AS s
    SEMI JOIN asked AS a ON s.scope = a.scope AND a.measure = 'window_service_share'
    WHERE s.valid_before <= $today
),

via_window AS (
    SELECT
        'window_service_share' AS measure,
        scope,
        scope_id,
        as_of,
        COALESCE(SUM(SUM(change) FILTER (WHERE via_window)) OVER so_far, 0) AS counted,
        COALESCE(SUM(SUM(change) FILTER (WHERE via_window IS NULL)) OVER so_far, 0) AS perhaps_counted,
        SUM(SUM(change)) OVER so_far AS total
    FROM window_changes
    GROUP BY scope, scope_id, as_of
    WINDOW so_far AS (PARTITION BY scope, scope_id ORDER BY as_of)
),

-- An agency's days on the window as runs: only the days on which it came or left are kept.
turns AS (
    SELECT
        agency_id,
        day,
        connection_state IN ('connected', 'degraded') AS is_on,
        LAG(is_on) OVER (PARTITION BY agency_id ORDER BY day) AS was_on
    FROM agency_status_v1
),

connections AS (
    SELECT
        agency_id,
        is_on,
        day AS valid_from,
        COALESCE(LEAD(day) OVER (PARTITION BY agency_id ORDER BY day), DATE '9999-12-31') AS valid_before
    FROM turns
    WHERE is_on IS DISTINCT FROM was_on
),

watched AS (
    SELECT MIN(day) AS watched_from FROM agency_status_v1
),

expected AS (
    SELECT
        s.scope,
        s.scope_id,
        h.agency_id,
        GREATEST(h.valid_from, s.valid_from, w.watched_from) AS valid_from,
        LEAST(h.valid_before, s.valid_before) AS valid_before
    FROM dim_agency_history AS h
    INNER JOIN dim_agency_scope AS s
        ON h.agency_id = s.agency_id AND h.valid_from < s.valid_before AND h.valid_before > s.valid_from
    SEMI JOIN asked AS a ON s.scope = a.scope AND a.measure = 'window_connected_share'
    CROSS JOIN watched AS w
    WHERE h.expected_to_report AND w.watched_from IS NOT NULL
),

agency_runs AS (
    SELECT
        scope,
        scope_id,
        FALSE AS is_on,
        valid_from,
        valid_before
    FROM expected
    UNION ALL
    SELECT
        e.scope,
        e.scope_id,
        TRUE AS is_on,
        GREATEST(e.valid_from, c.valid_from) AS valid_from,
        LEAST(e.valid_before, c.valid_before) AS valid_before
    FROM expected AS e
    INNER JOIN connections AS c ON e.agency_id = c.agency_id AND c.is_on
),

agency_changes AS (
    SELECT
        scope,
        scope_id,
        is_on,
        valid_from AS as_of,
        1 AS change
    FROM agency_runs
    WHERE valid_from < valid_before AND valid_from <= $today
    UNION ALL
    SELECT
        scope,
        scope_id,
        is_on,
        valid_before AS as_of,
        -1 AS change
    FROM agency_runs
    WHERE valid_from < valid_before AND valid_before <= $today
),

connected AS (
    SELECT
        'window_connected_share' AS measure,
        scope,
        scope_id,
        as_of,
        COALESCE(SUM(SUM(change) FILTER (WHERE is_on)) OVER so_far, 0) AS counted,
        0 AS perhaps_counted,
        COALESCE(SUM(SUM(change) FILTER (WHERE NOT is_on)) OVER so_far, 0) AS total
    FROM agency_changes
    GROUP BY scope, scope_id, as_of
    WINDOW so_far AS (PARTITION BY scope, scope_id ORDER BY as_of)
),

answered AS (
    SELECT
        'inquiries_online_share' AS measure,
        s.scope,
        s.scope_id,
        m.month_start + m.days AS as_of,
        CASE WHEN BOOL_AND(i.online IS NOT NULL AND i.paper IS NOT NULL) THEN SUM(i.online) END AS counted,
        0 AS perhaps_counted,
        CASE WHEN BOOL_AND(i.online IS NOT NULL AND i.paper IS NOT NULL) THEN SUM(i.online + i.paper) END AS total
    FROM inquiries_v1 AS i
    INNER JOIN dim_month AS m ON i.calendar = m.calendar AND i.month = m.month
    INNER JOIN dim_agency_scope AS s
        ON i.agency_id = s.agency_id AND s.valid_from <= m.month_start + m.days AND s.valid_before > m.month_start + m.days
    SEMI JOIN asked AS a ON s.scope = a.scope AND a.measure = 'inquiries_online_share'
    WHERE i.calendar = 'jalali' AND i.counterpart_agency_id = 'all' AND m.month_start + m.days <= $today
    GROUP BY s.scope, s.scope_id, m.month_start + m.days
),

measured AS (
    SELECT * FROM by_level
    UNION ALL
    SELECT * FROM via_window
    UNION ALL
    SELECT * FROM connected
    UNION ALL
    SELECT * FROM answered
),

changed AS (
    SELECT
        *,
        CASE
            WHEN counted IS NULL THEN 'not_provided'
            WHEN total = 0 THEN 'not_applicable'
            ELSE 'value'
        END AS status
    FROM measured
    WINDOW so_far AS (PARTITION BY measure, scope, scope_id ORDER BY as_of)
    QUALIFY
        ROW_NUMBER() OVER so_far = 1
        OR LAG([counted, perhaps_counted, total]) OVER so_far IS DISTINCT FROM [counted, perhaps_counted, total]
)

SELECT
    measure,
    scope,
    scope_id,
    as_of,
    counted,
    CASE WHEN counted IS NULL THEN 'not_provided' ELSE 'value' END AS counted_status,
    CASE WHEN counted IS NOT NULL THEN perhaps_counted END AS perhaps_counted,
    counted_status AS perhaps_counted_status,
    total,
    CASE
        WHEN measure = 'electronic_services' THEN 'not_applicable'
        WHEN total IS NULL THEN 'not_provided'
        ELSE 'value'
    END AS total_status,
    CASE WHEN status = 'value' THEN counted / COALESCE(total, 1) END AS value,
    status AS value_status,
    CASE WHEN status = 'value' THEN (counted + perhaps_counted) / COALESCE(total, 1) END AS value_upper,
    status AS value_upper_status,
    1 AS metric_version
FROM changed
