-- Digital take-up: how much of what was completed was completed in a digital channel, per scope and month.
--
-- Definition   digital: completed in the portal, the mobile app or the national window; digital_or_assisted adds the counter
--              office and, in any channel, what a counter office or the call centre helped with; take-up: each / completed
-- Grain        one row per (calendar, month, scope, scope_id, channel); the channel is always all
-- Window       the months in run_months, of the calendar $calendar
-- Counts       what monthly_transactions counts as completed
-- Leaves out   declared figures and months that have nothing else
-- Not          known where an agency declared that it cannot tell of a channel in which nothing was completed that month:
--              the shares are then not provided
WITH by_person AS (
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
        t.user_no,
        COUNT(*) AS completed,
        COUNT(*) FILTER (WHERE t.channel IN ('portal', 'mobile_app', 'national_window')) AS digital,
        COUNT(*) FILTER (
            WHERE
            t.channel NOT IN ('portal', 'mobile_app', 'national_window')
            AND (t.channel = 'counter_office' OR t.assisted_by IN ('counter_office', 'call_centre'))
        ) AS assisted
    FROM fct_transactions AS t
    INNER JOIN run_months AS m ON m.month_no = CASE WHEN $calendar = 'jalali' THEN t.jalali_no ELSE t.gregorian_no END
    WHERE t.kind = 'completed'
    GROUP BY GROUPING SETS (
        (m.month_no, t.user_no),
        (m.month_no, t.user_no, province),
        (m.month_no, t.user_no, county),
        (m.month_no, t.user_no, district),
        (m.month_no, t.user_no, ministry_id),
        (m.month_no, t.user_no, agency_id),
        (m.month_no, t.user_no, service_id)
    )
),

totals AS (
    SELECT
        month_no,
        scope,
        scope_id,
        SUM(completed) AS completed,
        SUM(digital) AS digital,
        SUM(assisted) AS assisted,
        COUNT(user_no) AS persons,
        COUNT(user_no) FILTER (WHERE digital > 0) AS digital_persons,
        COUNT(user_no) FILTER (WHERE assisted > 0) AS assisted_persons,
        COUNT(user_no) FILTER (WHERE digital + assisted > 0) AS either_persons,
        COUNT(user_no) FILTER (WHERE completed > digital) AS other_persons,
        COUNT(user_no) FILTER (WHERE completed > digital + assisted) AS neither_persons
    FROM by_person
    WHERE scope_id IS NOT NULL
    GROUP BY month_no, scope, scope_id
),

untold AS (
    SELECT DISTINCT
        t.month,
        t.scope,
        t.scope_id
    FROM monthly_transactions_v1 AS t
    INNER JOIN run_months AS m ON t.calendar = m.calendar AND t.month = m.month
    WHERE
        t.channel <> 'all'
        AND t.declared_provided_status = 'value'
        AND t.declared_status = 'not_provided'
        AND COALESCE(t.completed, 0) = 0
),

-- Of two figures shown side by side the difference is shown too: the fewest persons behind any of them decide.
measured AS (
    SELECT
        c.calendar,
        c.month,
        c.month_start,
        c.scope,
        c.scope_id,
        c.channel,
        COALESCE(t.completed, 0) AS completed,
        COALESCE(t.digital, 0) AS digital,
        COALESCE(t.digital + t.assisted, 0) AS digital_or_assisted,
        COALESCE(t.persons, 0) AS completed_keys,
        COALESCE(
            LEAST(
                t.digital_persons,
                CASE WHEN t.completed > t.digital THEN t.other_persons END
            ), 0
        ) AS digital_keys,
        COALESCE(
            LEAST(
                t.either_persons,
                CASE WHEN t.assisted > 0 THEN t.assisted_persons END,
                CASE WHEN t.completed > t.digital + t.assisted THEN t.neither_persons END
            ), 0
        ) AS digital_or_assisted_keys,
        CASE
            WHEN u.month IS NOT NULL THEN 'not_provided'
            WHEN COALESCE(t.completed, 0) = 0 THEN 'not_applicable'
            ELSE 'value'
        END AS share_status
    FROM stg_cells AS c
    LEFT JOIN totals AS t ON c.month_no = t.month_no AND c.scope = t.scope AND c.scope_id = t.scope_id
    LEFT JOIN untold AS u ON c.month = u.month AND c.scope = u.scope AND c.scope_id = u.scope_id
    WHERE c.channel = 'all'
)

SELECT
    calendar,
    month,
    month_start,
    scope,
    scope_id,
    channel,
    completed,
    'value' AS completed_status,
    completed_keys,
    digital,
    'value' AS digital_status,
    digital_keys,
    digital_or_assisted,
    'value' AS digital_or_assisted_status,
    digital_or_assisted_keys,
    CASE WHEN share_status = 'value' THEN digital / completed END AS digital_take_up,
    share_status AS digital_take_up_status,
    digital_keys AS digital_take_up_keys,
    CASE WHEN share_status = 'value' THEN digital_or_assisted / completed END AS digital_take_up_assisted,
    share_status AS digital_take_up_assisted_status,
    digital_or_assisted_keys AS digital_take_up_assisted_keys,
    1 AS metric_version
FROM measured
