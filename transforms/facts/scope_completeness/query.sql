-- How much of what agencies say they sent is in the lake, per month and scope.
--
-- Definition   landed / control_total over the (source, day, event type) that have a control total
-- Grain        one row per (calendar, month_no, scope, scope_id); none where no agency of the scope said a total
-- Counts       nation, ministry and agency: every agency that said a total for a day of the month, the ministry as of that
--              day. Places and services: the agencies with a counted event there in the month, each with all its totals,
--              because a total names no place and no service
-- Leaves out   days and types without a total: they are not provided, neither complete nor missing
-- Not          additive over scopes; landed is not all that landed, only what a total speaks of
WITH totals AS (
    SELECT
        t.agency_id,
        t.day,
        SUM(COALESCE(l.landed, 0)) AS landed,
        SUM(t.control_total) AS control_total
    FROM fct_control_totals AS t
    LEFT JOIN fct_landed_days AS l
        ON t.agency_id = l.agency_id AND t.source = l.source AND t.day = l.day AND t.event_type = l.event_type
    GROUP BY t.agency_id, t.day
),

dated AS (
    SELECT
        t.*,
        m.ministry_id,
        UNNEST([
            {'calendar': 'jalali', 'month_no': d.jalali_no_before},
            {'calendar': 'gregorian', 'month_no': d.gregorian_no_before}
        ]) AS month
    FROM totals AS t
    INNER JOIN dim_day AS d ON t.day = d.utc_date
    LEFT JOIN dim_agency_ministry AS m
        ON t.agency_id = m.agency_id AND t.day >= m.valid_from AND t.day < m.valid_before
),

by_month AS (
    SELECT
        month.calendar AS calendar,
        month.month_no AS month_no,
        agency_id,
        ministry_id,
        SUM(landed) AS landed,
        SUM(control_total) AS control_total
    FROM dated
    GROUP BY month.calendar, month.month_no, agency_id, ministry_id
),

own AS (
    SELECT
        b.*,
        UNNEST([
            {'scope': 'national', 'scope_id': 'IR'},
            {'scope': 'ministry', 'scope_id': b.ministry_id},
            {'scope': 'agency', 'scope_id': b.agency_id}
        ]) AS place
    FROM by_month AS b
),

active AS (
    SELECT
        agency_id,
        jalali_no,
        gregorian_no,
        CASE
            WHEN GROUPING(province) = 0 THEN 'province'
            WHEN GROUPING(county) = 0 THEN 'county'
            WHEN GROUPING(district) = 0 THEN 'district'
            ELSE 'service'
        END AS scope,
        CASE
            WHEN GROUPING(province) = 0 THEN province
            WHEN GROUPING(county) = 0 THEN county
            WHEN GROUPING(district) = 0 THEN district
            ELSE service_id
        END AS scope_id
    FROM fct_activity
    WHERE agency_id IN (SELECT agency_id FROM fct_control_totals)
    GROUP BY GROUPING SETS (
        (agency_id, jalali_no, gregorian_no, province),
        (agency_id, jalali_no, gregorian_no, county),
        (agency_id, jalali_no, gregorian_no, district),
        (agency_id, jalali_no, gregorian_no, service_id)
    )
),

there AS (
    SELECT DISTINCT
        'jalali' AS calendar,
        jalali_no AS month_no,
        agency_id,
        scope,
        scope_id
    FROM active
    WHERE scope_id IS NOT NULL
    UNION ALL
    SELECT DISTINCT
        'gregorian' AS calendar,
        gregorian_no AS month_no,
        agency_id,
        scope,
        scope_id
    FROM active
    WHERE scope_id IS NOT NULL
),

placed AS (
    SELECT
        calendar,
        month_no,
        place.scope AS scope,
        place.scope_id AS scope_id,
        agency_id,
        landed,
        control_total
    FROM own
    WHERE place.scope_id IS NOT NULL
    UNION ALL
    SELECT
        t.calendar,
        t.month_no,
        t.scope,
        t.scope_id,
        t.agency_id,
        b.landed,
        b.control_total
    FROM there AS t
    INNER JOIN by_month AS b ON t.calendar = b.calendar AND t.month_no = b.month_no AND t.agency_id = b.agency_id
)

SELECT
    calendar,
    month_no,
    scope,
    scope_id,
    SUM(landed) AS landed,
    SUM(control_total) AS control_total,
    COUNT(DISTINCT agency_id) AS agencies
FROM placed
GROUP BY calendar, month_no, scope, scope_id
