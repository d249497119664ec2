-- Shares of services by audience, nature, primary channel, lifecycle and countability, over two bases that are named.
--
-- Definition   share: services with the code / services of the base. Base all: every service on offer; base new: those of them
--              whose launched_at lies in the Jalali year of as_of, on that day or before it
-- Grain        one row per (as_of, scope, scope_id, base, dimension, code); as_of: each day on which the services of the base
--              are others than the day before, for new services Nowruz too; codes: those the scope ever had in the base
-- Counts       each service of each agency, also where several deliver one official_code; under each of its audiences
-- Leaves out   nothing: what was not provided counts in the total alone, so shares may add up to less than 1, and those of
--              audiences to more
-- Not          a statement which base somebody else's share has: name the base with the number
WITH years AS (
    SELECT
        month_start AS starts_on,
        LEAD(month_start) OVER (ORDER BY month_no) AS ends_before
    FROM dim_month
    WHERE calendar = 'jalali' AND month_of_year = 1
),

runs AS (
    SELECT
        s.*,
        'all' AS base,
        s.valid_from AS counts_from,
        s.valid_before AS counts_before
    FROM stg_offered_services AS s
    UNION ALL
    SELECT
        s.*,
        'new' AS base,
        GREATEST(s.valid_from, s.launched_at) AS counts_from,
        LEAST(s.valid_before, y.ends_before) AS counts_before
    FROM stg_offered_services AS s
    INNER JOIN years AS y ON s.launched_at >= y.starts_on AND s.launched_at < y.ends_before
    WHERE GREATEST(s.valid_from, s.launched_at) < LEAST(s.valid_before, y.ends_before)
),

changes AS (
    SELECT
        *,
        counts_from AS as_of,
        1 AS change
    FROM runs
    WHERE counts_from <= $today
    UNION ALL
    SELECT
        *,
        counts_before AS as_of,
        -1 AS change
    FROM runs
    WHERE counts_before <= $today
),

daily AS (
    SELECT
        scope,
        scope_id,
        base,
        as_of,
        audience,
        nature,
        primary_channel,
        lifecycle,
        countability,
        SUM(change) AS change
    FROM changes
    GROUP BY ALL
),

totals AS (
    SELECT
        scope,
        scope_id,
        base,
        as_of,
        SUM(SUM(change)) OVER (PARTITION BY scope, scope_id, base ORDER BY as_of) AS total_services
    FROM daily
    GROUP BY scope, scope_id, base, as_of
),

described AS (
    SELECT
        scope,
        scope_id,
        base,
        as_of,
        change,
        UNNEST(
            LIST_CONCAT(
                LIST_TRANSFORM(
                    STRING_SPLIT(audience, '|'), LAMBDA code : {'dimension': 'audience', 'code': code}
                ),
                [
                    {'dimension': 'nature', 'code': nature},
                    {'dimension': 'primary_channel', 'code': primary_channel},
                    {'dimension': 'lifecycle', 'code': lifecycle},
                    {'dimension': 'countability', 'code': countability}
                ]
            )
        ) AS pair
    FROM daily
),

coded AS (
    SELECT
        scope,
        scope_id,
        base,
        as_of,
        pair['dimension'] AS dimension,
        pair['code'] AS code,
        SUM(change) AS change
    FROM described
    WHERE pair['code'] IS NOT NULL
    GROUP BY ALL
),

codes AS (
    SELECT DISTINCT
        scope,
        scope_id,
        base,
        dimension,
        code
    FROM coded
),

counted AS (
    SELECT
        t.as_of,
        t.scope,
        t.scope_id,
        t.base,
        c.dimension,
        c.code,
        t.total_services,
        COALESCE(
            SUM(d.change) OVER (
                PARTITION BY t.scope, t.scope_id, t.base, c.dimension, c.code ORDER BY t.as_of
            ), 0
        ) AS services
    FROM totals AS t
    INNER JOIN codes AS c ON t.scope = c.scope AND t.scope_id = c.scope_id AND t.base = c.base
    LEFT JOIN coded AS d
        ON
            t.scope = d.scope
            AND t.scope_id = d.scope_id
            AND t.base = d.base
            AND t.as_of = d.as_of
            AND c.dimension = d.dimension
            AND c.code = d.code
)

SELECT
    as_of,
    scope,
    scope_id,
    base,
    dimension,
    code,
    services,
    'value' AS services_status,
    total_services,
    'value' AS total_services_status,
    CASE WHEN total_services > 0 THEN services / total_services END AS share,
    CASE WHEN total_services > 0 THEN 'value' ELSE 'not_applicable' END AS share_status,
    1 AS metric_version
FROM counted
