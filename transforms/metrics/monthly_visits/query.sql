-- Visits, per scope, channel and month.
--
-- Definition   a visit belongs to the month, channel and place of its first event; see fct_visits and fct_sessions
-- Grain        one row per (calendar, month, scope, scope_id, channel); services have no rows
-- Window       the months in run_months
-- Counts       a visit of the national window once nationally and once per agency that repeats it
-- Leaves out   events that carry neither a visit_id nor a person
-- Not          additive over agencies; visits_per_active_user divides by the same row's active users, never by a stock
SELECT
    c.calendar,
    c.month,
    c.month_start,
    c.scope,
    c.scope_id,
    c.channel,
    COALESCE(t.visits, 0) AS visits,
    'value' AS visits_status,
    COALESCE(p.visited, 0) AS visits_keys,
    CASE WHEN u.active_users > 0 THEN COALESCE(t.visits, 0) / u.active_users END AS visits_per_active_user,
    CASE WHEN u.active_users > 0 THEN 'value' ELSE 'not_applicable' END AS visits_per_active_user_status,
    COALESCE(p.visited, 0) AS visits_per_active_user_keys,
    1 AS metric_version
FROM stg_cells AS c
INNER JOIN monthly_users_v1 AS u
    ON
        c.calendar = u.calendar
        AND c.month = u.month
        AND c.scope = u.scope
        AND c.scope_id = u.scope_id
        AND c.channel = u.channel
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
WHERE c.scope <> 'service'
