-- Totals over quarters, halves, years and declared ranges of months.
--
-- Definition   active_users: distinct persons over the whole period; visits, completed: as in the monthly tables; declared:
--              the agency's own word for exactly this period; declared_provided, declared_applicable: of the services
--              behind it, those with a number and those to which the cell applies (an agency's own figure is one)
-- Grain        one row per (calendar, period, scope, scope_id, channel)
-- Window       the periods in run_periods, of the calendar $calendar; window_no names the months of a period that have
--              events, computed once for periods that share them
-- Counts       cells that have a row in one of the period's months, or a declaration for the period
-- Not          a sum of monthly users; a declared month never adds up into a declared quarter
WITH active AS (
    SELECT
        w.window_no,
        CASE
            WHEN GROUPING(province) = 0 THEN 'province'
            WHEN GROUPING(county) = 0 THEN 'county'
            WHEN GROUPING(district) = 0 THEN 'district'
            WHEN GROUPING(ministry_id) = 0 THEN 'ministry'
            WHEN GROUPING(agency_id) = 0 THEN 'agency'
            WHEN GROUPING(service_id) = 0 THEN 'service'
            ELSE 'national'
        END AS scope,
        CASE
            WHEN GROUPING(province) = 0 THEN province
            WHEN GROUPING(county) = 0 THEN county
            WHEN GROUPING(district) = 0 THEN district
            WHEN GROUPING(ministry_id) = 0 THEN ministry_id
            WHEN GROUPING(agency_id) = 0 THEN agency_id
            WHEN GROUPING(service_id) = 0 THEN service_id
            ELSE 'IR'
        END AS scope_id,
        CASE WHEN GROUPING(channel) = 1 THEN 'all' ELSE channel END AS channel,
        COUNT(DISTINCT a.user_no) AS users
    FROM fct_user_activity AS a
    INNER JOIN run_windows AS w ON CASE WHEN $calendar = 'jalali' THEN a.jalali_no ELSE a.gregorian_no END BETWEEN w.first_no AND w.last_no
    GROUP BY GROUPING SETS (
        (w.window_no),
        (w.window_no, channel),
        (w.window_no, province),
        (w.window_no, province, channel),
        (w.window_no, county),
        (w.window_no, county, channel),
        (w.window_no, district),
        (w.window_no, district, channel),
        (w.window_no, ministry_id),
        (w.window_no, ministry_id, channel),
        (w.window_no, agency_id),
        (w.window_no, agency_id, channel),
        (w.window_no, service_id),
        (w.window_no, service_id, channel)
    )
),

visits AS (
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        nation,
        province,
        county,
        district,
        ministry_id,
        agency_id
    FROM fct_visits
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        nation,
        province,
        county,
        district,
        ministry_id,
        agency_id
    FROM fct_sessions
),

visited AS (
    SELECT
        w.window_no,
        CASE
            WHEN GROUPING(province) = 0 THEN 'province'
            WHEN GROUPING(county) = 0 THEN 'county'
            WHEN GROUPING(district) = 0 THEN 'district'
            WHEN GROUPING(ministry_id) = 0 THEN 'ministry'
            WHEN GROUPING(agency_id) = 0 THEN 'agency'
            ELSE 'national'
        END AS scope,
        CASE
            WHEN GROUPING(province) = 0 THEN province
            WHEN GROUPING(county) = 0 THEN county
            WHEN GROUPING(district) = 0 THEN district
            WHEN GROUPING(ministry_id) = 0 THEN ministry_id
            WHEN GROUPING(agency_id) = 0 THEN agency_id
            ELSE nation
        END AS scope_id,
        CASE WHEN GROUPING(channel) = 1 THEN 'all' ELSE channel END AS channel,
        COUNT(*) AS visits,
        COUNT(DISTINCT v.user_no) AS persons
    FROM visits AS v
    INNER JOIN run_windows AS w ON CASE WHEN $calendar = 'jalali' THEN v.jalali_no ELSE v.gregorian_no END BETWEEN w.first_no AND w.last_no
    GROUP BY GROUPING SETS (
        (w.window_no, nation),
        (w.window_no, nation, channel),
        (w.window_no, province),
        (w.window_no, province, channel),
        (w.window_no, county),
        (w.window_no, county, channel),
        (w.window_no, district),
        (w.window_no, district, channel),
        (w.window_no, ministry_id),
        (w.window_no, ministry_id, channel),
        (w.window_no, agency_id),
        (w.window_no, agency_id, channel)
    )
),

completed AS (
    SELECT
        w.window_no,
        CASE
            WHEN GROUPING(province) = 0 THEN 'province'
            WHEN GROUPING(county) = 0 THEN 'county'
            WHEN GROUPING(district) = 0 THEN 'district'
            WHEN GROUPING(ministry_id) = 0 THEN 'ministry'
            WHEN GROUPING(agency_id) = 0 THEN 'agency'
            WHEN GROUPING(service_id) = 0 THEN 'service'
            ELSE 'national'
        END AS scope,
        CASE
            WHEN GROUPING(province) = 0 THEN province
            WHEN GROUPING(county) = 0 THEN county
            WHEN GROUPING(district) = 0 THEN district
            WHEN GROUPING(ministry_id) = 0 THEN ministry_id
            WHEN GROUPING(agency_id) = 0 THEN agency_id
            WHEN GROUPING(service_id) = 0 THEN service_id
            ELSE 'IR'
        END AS scope_id,
        CASE WHEN GROUPING(channel) = 1 THEN 'all' ELSE channel END AS channel,
        COUNT(*) AS completed,
        COUNT(DISTINCT t.user_no) AS persons
    FROM fct_transactions AS t
    INNER JOIN run_windows AS w ON CASE WHEN $calendar = 'jalali' THEN t.jalali_no ELSE t.gregorian_no END BETWEEN w.first_no AND w.last_no
    WHERE t.kind = 'completed'
    GROUP BY GROUPING SETS (
        (w.window_no),
        (w.window_no, channel),
        (w.window_no, province),
        (w.window_no, province, channel),
        (w.window_no, county),
        (w.window_no, county, channel),
        (w.window_no, district),
        (w.window_no, district, channel),
        (w.window_no, ministry_id),
        (w.window_no, ministry_id, channel),
        (w.window_no, agency_id),
        (w.window_no, agency_id, channel),
        (w.window_no, service_id),
        (w.window_no, service_id, channel)
    )
),

alive AS (
    SELECT
        p.period,
        p.window_no,
        s.scope,
        s.scope_id,
        s.channel
    FROM run_periods AS p
    INNER JOIN fct_cell_spans AS s
        ON p.calendar = s.calendar AND p.last_no >= s.first_no AND p.first_no <= s.last_no
),

declared AS (
    SELECT
        period,
        scope,
        scope_id,
        channel,
        declared_value,
        declared_status,
        provided,
        applicable
    FROM fct_declared_cells
    WHERE measure = 'transactions_completed' AND calendar = $calendar AND first_no < last_no
),

cells AS (
    SELECT
        COALESCE(c.period, d.period) AS period,
        c.window_no,
        COALESCE(c.scope, d.scope) AS scope,
        COALESCE(c.scope_id, d.scope_id) AS scope_id,
        COALESCE(c.channel, d.channel) AS channel,
        d.declared_value,
        COALESCE(d.declared_status, 'not_provided') AS declared_status,
        d.provided AS declared_provided,
        d.applicable AS declared_applicable,
        CASE WHEN d.scope IS NULL THEN 'not_applicable' ELSE 'value' END AS declared_cells_status,
        CASE WHEN c.period IS NULL THEN 'not_provided' ELSE 'value' END AS event_status
    FROM alive AS c
    FULL OUTER JOIN declared AS d
        ON c.period = d.period AND c.scope = d.scope AND c.scope_id = d.scope_id AND c.channel = d.channel
)

SELECT
    p.calendar,
    p.period,
    p.month_start,
    c.scope,
    c.scope_id,
    c.channel,
    CASE WHEN c.event_status = 'value' THEN COALESCE(a.users, 0) END AS active_users,
    c.event_status AS active_users_status,
    COALESCE(a.users, 0) AS active_users_keys,
    CASE WHEN c.event_status = 'value' AND c.scope <> 'service' THEN COALESCE(v.visits, 0) END AS visits,
    CASE WHEN c.scope = 'service' THEN 'not_applicable' ELSE c.event_status END AS visits_status,
    COALESCE(v.persons, 0) AS visits_keys,
    CASE WHEN c.event_status = 'value' THEN COALESCE(t.completed, 0) END AS completed,
    c.event_status AS completed_status,
    COALESCE(t.persons, 0) AS completed_keys,
    c.declared_value AS declared,
    c.declared_status,
    c.declared_provided,
    c.declared_cells_status AS declared_provided_status,
    c.declared_applicable,
    c.declared_cells_status AS declared_applicable_status,
    p.days,
    'value' AS days_status,
    1 AS metric_version
FROM cells AS c
INNER JOIN run_periods AS p ON c.period = p.period
LEFT JOIN active AS a
    ON c.window_no = a.window_no AND c.scope = a.scope AND c.scope_id = a.scope_id AND c.channel = a.channel
LEFT JOIN visited AS v
    ON c.window_no = v.window_no AND c.scope = v.scope AND c.scope_id = v.scope_id AND c.channel = v.channel
LEFT JOIN completed AS t
    ON c.window_no = t.window_no AND c.scope = t.scope AND c.scope_id = t.scope_id AND c.channel = t.channel
