-- Users, per scope, channel and month.
--
-- Definition   active: distinct persons with a counted event in the month; new: persons whose first counted event ever in
--              that scope and channel is in the month; registered: their running total
-- Grain        one row per (calendar, month, scope, scope_id, channel)
-- Window       the months in run_months
-- Counts       persons, exactly; 'all' is computed over the channels, never summed
-- Leaves out   events without a key
-- Not          additive over months, scopes or channels; registered is a stock and no registration act
WITH first_seen AS (
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
    COALESCE(p.active, 0) AS active_users,
    'value' AS active_users_status,
    COALESCE(p.active, 0) AS active_users_keys,
    COALESCE(f.new_users, 0) AS new_users,
    'value' AS new_users_status,
    COALESCE(f.new_users, 0) AS new_users_keys,
    COALESCE(f.registered_users, 0) AS registered_users,
    'value' AS registered_users_status,
    COALESCE(f.registered_users, 0) AS registered_users_keys,
    1 AS metric_version
FROM stg_cells AS c
LEFT JOIN fct_cell_persons AS p
    ON
        c.calendar = p.calendar
        AND c.month = p.period
        AND c.scope = p.scope
        AND c.scope_id = p.scope_id
        AND c.channel = p.channel
LEFT JOIN first_seen AS f
    ON c.month_no = f.month_no AND c.scope = f.scope AND c.scope_id = f.scope_id AND c.channel = f.channel
