-- Visits, per scope, channel and month.
--
-- Definition   a visit belongs to the month, channel and place of its first event; see fct_visits and fct_sessions
-- Grain        one row per (calendar, month, scope, scope_id, channel); services have no rows
-- Window       the months in run_months, of the calendar $calendar
-- Counts       a visit of the national window once nationally and once per agency that repeats it
-- Leaves out   events that carry neither a visit_id nor a person
-- Not          additive over agencies; visits_per_active_user divides by the same row's active users, never by a stock
WITH visits AS (
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

totals AS (
    SELECT
        m.month_no,
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
    INNER JOIN run_months AS m ON m.month_no = CASE WHEN $calendar = 'jalali' THEN v.jalali_no ELSE v.gregorian_no END
    GROUP BY GROUPING SETS (
        (m.month_no, nation),
        (m.month_no, nation, channel),
        (m.month_no, province),
        (m.month_no, province, channel),
        (m.month_no, county),
        (m.month_no, county, channel),
        (m.month_no, district),
        (m.month_no, district, channel),
        (m.month_no, ministry_id),
        (m.month_no, ministry_id, channel),
        (m.month_no, agency_id),
        (m.month_no, agency_id, channel)
    )
)

SELECT
    c.calendar,
    c.month,
    c.month_start,
    c.scope,
    c.scope_id,
    c.channel,
    COALESCE(t.visits, 0) AS visits,
    'value' AS visits_status,
    COALESCE(t.persons, 0) AS visits_keys,
    CASE WHEN u.active_users > 0 THEN COALESCE(t.visits, 0) / u.active_users END AS visits_per_active_user,
    CASE WHEN u.active_users > 0 THEN 'value' ELSE 'not_applicable' END AS visits_per_active_user_status,
    COALESCE(t.persons, 0) AS visits_per_active_user_keys,
    1 AS metric_version
FROM stg_cells AS c
INNER JOIN monthly_users_v1 AS u
    ON
        c.calendar = u.calendar
        AND c.month = u.month
        AND c.scope = u.scope
        AND c.scope_id = u.scope_id
        AND c.channel = u.channel
LEFT JOIN totals AS t
    ON c.month_no = t.month_no AND c.scope = t.scope AND c.scope_id = t.scope_id AND c.channel = t.channel
WHERE c.scope <> 'service'
