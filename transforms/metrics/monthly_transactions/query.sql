-- Transactions, per scope, channel and month.
--
-- Definition   received, completed: distinct (agency, transaction_id) whose earliest event of that kind is in the month;
--              accepted: completed with that event's outcome; reject_rate: rejected / completed; duration percentiles:
--              linear interpolation over the durations given; declared_provided, declared_applicable: of the services behind
--              declared, those with a number and those to which the cell applies (an agency's own figure is one)
-- Grain        one row per (calendar, month, scope, scope_id, channel)
-- Window       the months in run_months, of the calendar $calendar
-- Counts       a transaction once, in the channel, service and place of its earliest completion (or receipt)
-- Leaves out   tests, retracted events, repeated completions
-- Not          mixed with declared: that is the agency's own word for the month; a month with a declaration alone has a
--              row whose event measures are not provided
WITH durations AS (
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
        QUANTILE_CONT(t.duration_seconds, [0.5, 0.9]) AS percentiles
    FROM fct_transactions AS t
    INNER JOIN run_months AS m ON m.month_no = CASE WHEN $calendar = 'jalali' THEN t.jalali_no ELSE t.gregorian_no END
    WHERE t.kind = 'completed' AND t.duration_seconds IS NOT NULL
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

declared AS (
    SELECT
        m.calendar,
        m.month,
        m.month_no,
        m.month_start,
        d.scope,
        d.scope_id,
        d.channel,
        d.declared_value,
        d.declared_status,
        d.provided,
        d.applicable
    FROM fct_declared_cells AS d
    INNER JOIN run_months AS m ON d.calendar = m.calendar AND d.first_no = m.month_no
    WHERE d.measure = 'transactions_completed' AND d.first_no = d.last_no
),

cells AS (
    SELECT
        COALESCE(c.calendar, d.calendar) AS calendar,
        COALESCE(c.month, d.month) AS month,
        COALESCE(c.month_no, d.month_no) AS month_no,
        COALESCE(c.month_start, d.month_start) AS month_start,
        COALESCE(c.scope, d.scope) AS scope,
        COALESCE(c.scope_id, d.scope_id) AS scope_id,
        COALESCE(c.channel, d.channel) AS channel,
        d.declared_value,
        COALESCE(d.declared_status, 'not_provided') AS declared_status,
        d.provided AS declared_provided,
        d.applicable AS declared_applicable,
        CASE WHEN d.scope IS NULL THEN 'not_applicable' ELSE 'value' END AS declared_cells_status,
        CASE WHEN c.month_no IS NULL THEN 'not_provided' ELSE 'value' END AS event_status
    FROM stg_cells AS c
    FULL OUTER JOIN declared AS d
        ON c.month_no = d.month_no AND c.scope = d.scope AND c.scope_id = d.scope_id AND c.channel = d.channel
),

measured AS (
    SELECT
        c.*,
        COALESCE(t.received, 0) AS received,
        COALESCE(p.received, 0) AS received_keys,
        COALESCE(t.completed, 0) AS completed,
        COALESCE(p.completed, 0) AS completed_keys,
        COALESCE(t.accepted, 0) AS accepted,
        COALESCE(p.accepted, 0) AS accepted_keys,
        COALESCE(t.rejected, 0) AS rejected,
        COALESCE(p.timed, 0) AS timed_keys,
        n.percentiles[1] AS duration_p50,
        n.percentiles[2] AS duration_p90,
        CASE
            WHEN c.event_status <> 'value' THEN c.event_status
            WHEN COALESCE(t.completed, 0) = 0 THEN 'not_applicable'
            ELSE 'value'
        END AS rate_status,
        CASE
            WHEN c.event_status <> 'value' THEN c.event_status
            WHEN COALESCE(t.completed, 0) = 0 THEN 'not_applicable'
            WHEN t.timed = 0 THEN 'not_provided'
            ELSE 'value'
        END AS duration_status
    FROM cells AS c
    LEFT JOIN fct_cell_counts AS t
        ON
            c.calendar = t.calendar
            AND c.month_no = t.month_no
            AND c.scope = t.scope
            AND c.scope_id = t.scope_id
            AND c.channel = t.channel
    LEFT JOIN fct_cell_persons AS p
        ON
            c.calendar = p.calendar
            AND c.month = p.period
            AND c.scope = p.scope
            AND c.scope_id = p.scope_id
            AND c.channel = p.channel
    LEFT JOIN durations AS n
        ON c.month_no = n.month_no AND c.scope = n.scope AND c.scope_id = n.scope_id AND c.channel = n.channel
)

SELECT
    calendar,
    month,
    month_start,
    scope,
    scope_id,
    channel,
    CASE WHEN event_status = 'value' THEN received END AS received,
    event_status AS received_status,
    received_keys,
    CASE WHEN event_status = 'value' THEN completed END AS completed,
    event_status AS completed_status,
    completed_keys,
    CASE WHEN event_status = 'value' THEN accepted END AS accepted,
    event_status AS accepted_status,
    accepted_keys,
    declared_value AS declared,
    declared_status,
    declared_provided,
    declared_cells_status AS declared_provided_status,
    declared_applicable,
    declared_cells_status AS declared_applicable_status,
    CASE WHEN rate_status = 'value' THEN rejected / completed END AS reject_rate,
    rate_status AS reject_rate_status,
    completed_keys AS reject_rate_keys,
    duration_p50,
    duration_status AS duration_p50_status,
    timed_keys AS duration_p50_keys,
    duration_p90,
    duration_status AS duration_p90_status,
    timed_keys AS duration_p90_keys,
    1 AS metric_version
FROM measured
