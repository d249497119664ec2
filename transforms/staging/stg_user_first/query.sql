-- The month in which each person was first seen, per scope and channel.
--
-- Definition   the earliest counted event of the key in that scope and channel; 'all' is computed over all channels
-- Grain        one row per (scope_no, channel, user_no)
-- Counts       both calendars' months of the earliest events
-- Not          a registration act; not kept: fct_new_users counts it
SELECT
    p.scope_no,
    c.channel,
    p.user_no,
    MIN(p.jalali_no) AS jalali_no,
    MIN(p.gregorian_no) AS gregorian_no
FROM stg_persons AS p
INNER JOIN dim_channel AS c ON (p.seen & c.bit) <> 0
GROUP BY p.scope_no, c.channel, p.user_no
