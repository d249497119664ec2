-- Users, per scope, channel and month.
--
-- Definition   active: distinct persons with a counted event in the month; new: persons whose first counted event ever in
--              that scope and channel is in the month; registered: their running total
-- Grain        one row per (calendar, month, scope, scope_id, channel)
-- Window       the months in run_months, of the calendar $calendar
-- Counts       persons, exactly; 'all' is computed over the channels, never summed
-- Leaves out   events without a key
-- Not          additive over months, scopes or channels; registered is a stock and no registration act
WITH active AS (
    SELECT
        m.month_no,
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
    INNER JOIN run_months AS m ON m.month_no = CASE WHEN $calendar = 'jalali' THEN a.jalali_no ELSE a.gregorian_no END
    GROUP BY GROUPING SETS (
        (m.month_no),
        (m.month_no, channel),
        (m.month_no, province),
        (m.month_no, province, channel),
        (m.month_no, county),
        (m.month_no, county, channel),
        (m.month_no, district),
        (m.month_no, district, channel),
        (m.month_no, ministry_id),
        (m.month_no, ministry_id, channel),
        (m.month_no, agency_id),
        (m.month_no, agency_id, channel),
        (m.month_no, service_id),
        (m.month_no, service_id, channel)
    )
),

first_seen AS (
    SELECT
        c.month_no,
        c.scope,
        c.scope_id,
        c.channel,
        SUM(n.users) FILTER (WHERE n.month_no = c.month_no) AS new_users,
        SUM(n.users) AS registered_users
    FROM stg_cells AS c
    INNER JOIN fct_new_users AS n
        ON
            c.calendar = n.calendar
            AND c.scope = n.scope
            AND c.scope_id = n.scope_id
            AND c.channel = n.channel
            AND c.month_no >= n.month_no
    GROUP BY c.month_no, c.scope, c.scope_id, c.channel
)

SELECT
    c.calendar,
    c.month,
    c.month_start,
    c.scope,
    c.scope_id,
    c.channel,
    COALESCE(a.users, 0) AS active_users,
    'value' AS active_users_status,
    COALESCE(a.users, 0) AS active_users_keys,
    COALESCE(f.new_users, 0) AS new_users,
    'value' AS new_users_status,
    COALESCE(f.new_users, 0) AS new_users_keys,
    COALESCE(f.registered_users, 0) AS registered_users,
    'value' AS registered_users_status,
    COALESCE(f.registered_users, 0) AS registered_users_keys,
    1 AS metric_version
FROM stg_cells AS c
LEFT JOIN active AS a
    ON c.month_no = a.month_no AND c.scope = a.scope AND c.scope_id = a.scope_id AND c.channel = a.channel
LEFT JOIN first_seen AS f
    ON c.month_no = f.month_no AND c.scope = f.scope AND c.scope_id = f.scope_id AND c.channel = f.channel
