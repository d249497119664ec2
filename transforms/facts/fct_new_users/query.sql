-- New users per cell and month: first-seen persons, counted.
--
-- Definition   persons whose first counted event ever in that scope and channel is in the month
-- Grain        one row per (calendar, month_no, scope, scope_id, channel) with at least one
-- Counts       each person once in a cell's whole life; additive over months (their running total is registered_users)
-- Not          additive over scopes or channels
WITH counted AS (
    SELECT
        scope_no,
        channel,
        jalali_no,
        gregorian_no,
        COUNT(*) AS users
    FROM stg_user_first
    GROUP BY scope_no, channel, jalali_no, gregorian_no
)

SELECT
    'jalali' AS calendar,
    c.jalali_no AS month_no,
    s.scope,
    s.scope_id,
    c.channel,
    SUM(c.users) AS users
FROM counted AS c
INNER JOIN fct_scopes AS s ON c.scope_no = s.scope_no
GROUP BY c.jalali_no, s.scope, s.scope_id, c.channel
UNION ALL
SELECT
    'gregorian' AS calendar,
    c.gregorian_no AS month_no,
    s.scope,
    s.scope_id,
    c.channel,
    SUM(c.users) AS users
FROM counted AS c
INNER JOIN fct_scopes AS s ON c.scope_no = s.scope_no
GROUP BY c.gregorian_no, s.scope, s.scope_id, c.channel
