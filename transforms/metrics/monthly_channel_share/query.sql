-- Usage share of the channels, per scope, channel and month.
--
-- Definition   share: transactions completed in the channel / in all channels; users_share: active users in the channel /
--              active users
-- Grain        one row per (calendar, month, scope, scope_id, channel)
-- Window       the months in run_months
-- Counts       what monthly_transactions and monthly_users count; the row of all channels has share 1
-- Leaves out   declared figures and months that have nothing else
-- Not          the offering share (services by primary channel); users_share may add up to more than 1
SELECT
    c.calendar,
    c.month,
    c.month_start,
    c.scope,
    c.scope_id,
    c.channel,
    t.completed AS transactions,
    'value' AS transactions_status,
    t.completed_keys AS transactions_keys,
    w.completed AS total_transactions,
    'value' AS total_transactions_status,
    w.completed_keys AS total_transactions_keys,
    CASE WHEN w.completed > 0 THEN t.completed / w.completed END AS share,
    CASE WHEN w.completed > 0 THEN 'value' ELSE 'not_applicable' END AS share_status,
    t.completed_keys AS share_keys,
    CASE WHEN v.active_users > 0 THEN u.active_users / v.active_users END AS users_share,
    CASE WHEN v.active_users > 0 THEN 'value' ELSE 'not_applicable' END AS users_share_status,
    u.active_users AS users_share_keys,
    1 AS metric_version
FROM stg_cells AS c
INNER JOIN monthly_transactions_v1 AS t
    ON
        c.calendar = t.calendar
        AND c.month = t.month
        AND c.scope = t.scope
        AND c.scope_id = t.scope_id
        AND c.channel = t.channel
INNER JOIN monthly_transactions_v1 AS w
    ON
        c.calendar = w.calendar
        AND c.month = w.month
        AND c.scope = w.scope
        AND c.scope_id = w.scope_id
        AND w.channel = 'all'
INNER JOIN monthly_users_v1 AS u
    ON
        c.calendar = u.calendar
        AND c.month = u.month
        AND c.scope = u.scope
        AND c.scope_id = u.scope_id
        AND c.channel = u.channel
INNER JOIN monthly_users_v1 AS v
    ON
        c.calendar = v.calendar
        AND c.month = v.month
        AND c.scope = v.scope
        AND c.scope_id = v.scope_id
        AND v.channel = 'all'
