-- Offering share of the channels: services by primary channel, per scope, as the catalogue changes.
--
-- Definition   share: services whose primary channel it is / all services of the scope
-- Grain        one row per (as_of, scope, scope_id, channel); as_of as in service_levels: each day on which the services of
--              the scope are others than the day before
-- Counts       services on offer, each service of each agency; the row of all channels has share 1
-- Leaves out   nothing: a service whose primary channel was not provided counts in the total alone, so the eight shares may
--              add up to less than 1
-- Not          usage (monthly_channel_share); the nation counts an official_code once for each agency that delivers it
--              here, because they may differ in their primary channel, and once in service_levels
WITH channels AS (
    SELECT
        UNNEST([
            'portal', 'mobile_app', 'counter_office', 'service_desk', 'national_window', 'phone', 'paper', 'other'
        ]) AS channel
),

changes AS (
    SELECT
        scope,
        scope_id,
        valid_from AS as_of,
        primary_channel,
        1 AS change
    FROM stg_offered_services
    UNION ALL
    SELECT
        scope,
        scope_id,
        valid_before AS as_of,
        primary_channel,
        -1 AS change
    FROM stg_offered_services
    WHERE valid_before <= $today
),

daily AS (
    SELECT
        scope,
        scope_id,
        as_of,
        primary_channel,
        SUM(change) AS change
    FROM changes
    GROUP BY scope, scope_id, as_of, primary_channel
),

totals AS (
    SELECT
        scope,
        scope_id,
        as_of,
        SUM(SUM(change)) OVER (PARTITION BY scope, scope_id ORDER BY as_of) AS total_services
    FROM daily
    GROUP BY scope, scope_id, as_of
),

offered AS (
    SELECT
        t.as_of,
        t.scope,
        t.scope_id,
        c.channel,
        t.total_services,
        COALESCE(
            SUM(d.change) OVER (PARTITION BY t.scope, t.scope_id, c.channel ORDER BY t.as_of), 0
        ) AS services
    FROM totals AS t
    CROSS JOIN channels AS c
    LEFT JOIN daily AS d
        ON t.scope = d.scope AND t.scope_id = d.scope_id AND t.as_of = d.as_of AND c.channel = d.primary_channel
    UNION ALL
    SELECT
        as_of,
        scope,
        scope_id,
        'all' AS channel,
        total_services,
        total_services AS services
    FROM totals
)

SELECT
    as_of,
    scope,
    scope_id,
    channel,
    services,
    'value' AS services_status,
    total_services,
    'value' AS total_services_status,
    CASE WHEN total_services > 0 THEN services / total_services END AS share,
    CASE WHEN total_services > 0 THEN 'value' ELSE 'not_applicable' END AS share_status,
    1 AS metric_version
FROM offered
