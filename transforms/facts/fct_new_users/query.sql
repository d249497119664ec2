-- New users per cell and month: first-seen persons, counted.
--
-- Definition   persons whose first counted event ever in that scope and channel is in the month
-- Grain        one row per (calendar, month_no, scope, scope_id, channel) with at least one
-- Counts       each person once in a cell's whole life; additive over months (their running total is registered_users)
-- Not          additive over scopes or channels
SELECT
    'jalali' AS calendar,
    jalali_no AS month_no,
    scope,
    scope_id,
    channel,
    COUNT(*) AS users
FROM stg_user_first
GROUP BY jalali_no, scope, scope_id, channel
UNION ALL
SELECT
    'gregorian' AS calendar,
    gregorian_no AS month_no,
    scope,
    scope_id,
    channel,
    COUNT(*) AS users
FROM stg_user_first
GROUP BY gregorian_no, scope, scope_id, channel
