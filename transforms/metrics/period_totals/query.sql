-- Totals over quarters, halves, years and declared ranges of months.
--
-- Definition   active_users: distinct persons over the whole period; visits, completed: as in the monthly tables; declared:
--              the agency's own word for exactly this period; declared_provided, declared_applicable: of the services
--              behind it, those with a number and those to which the cell applies (an agency's own figure is one)
-- Grain        one row per (calendar, period, scope, scope_id, channel)
-- Window       the periods in run_periods, of the calendar $calendar
-- Counts       cells that have a row in one of the period's months, or a declaration for the period
-- Not          a sum of monthly users; a declared month never adds up into a declared quarter
WITH counted AS (
    SELECT
        p.period,
        c.scope,
        c.scope_id,
        c.channel,
        SUM(c.visits) AS visits,
        SUM(c.completed) AS completed
    FROM fct_cell_counts AS c
    INNER JOIN run_periods AS p ON c.calendar = p.calendar AND c.month_no >= p.first_no AND c.month_no <= p.last_no
    GROUP BY p.period, c.scope, c.scope_id, c.channel
),

alive AS (
    SELECT
        p.period,
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
    CASE WHEN c.event_status = 'value' THEN COALESCE(n.active, 0) END AS active_users,
    c.event_status AS active_users_status,
    COALESCE(n.active, 0) AS active_users_keys,
    CASE WHEN c.event_status = 'value' AND c.scope <> 'service' THEN COALESCE(t.visits, 0) END AS visits,
    CASE WHEN c.scope = 'service' THEN 'not_applicable' ELSE c.event_status END AS visits_status,
    COALESCE(n.visited, 0) AS visits_keys,
    CASE WHEN c.event_status = 'value' THEN COALESCE(t.completed, 0) END AS completed,
    c.event_status AS completed_status,
    COALESCE(n.completed, 0) AS completed_keys,
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
LEFT JOIN counted AS t
    ON c.period = t.period AND c.scope = t.scope AND c.scope_id = t.scope_id AND c.channel = t.channel
LEFT JOIN fct_cell_persons AS n
    ON
        p.calendar = n.calendar
        AND c.period = n.period
        AND c.scope = n.scope
        AND c.scope_id = n.scope_id
        AND c.channel = n.channel
