-- Distinct persons per cell and window: month, quarter, half, year or declared range.
--
-- Definition   persons with a counted event (active), a visit (visited), a transaction received, completed, accepted or timed
--              (with a duration); in 'all' channels those who completed digitally, with assistance, either way, in neither
--              way, or in any way that is not digital (other)
-- Grain        one row per (calendar, period, scope, scope_id, channel) with at least one; 'all' is computed
-- Window       the windows of stg_window_months
-- Counts       each person once per cell and window, exactly, by the marks of stg_told
-- Not          additive over channels, scopes or windows; of disjoint sets of persons it is
WITH dated AS (
    SELECT
        w.window_no,
        p.scope_no,
        p.user_no,
        p.seen,
        p.completed
    FROM stg_persons AS p
    INNER JOIN stg_window_months AS w ON p.jalali_no = w.month_no AND w.calendar = 'jalali'
    UNION ALL
    SELECT
        w.window_no,
        p.scope_no,
        p.user_no,
        p.seen,
        p.completed
    FROM stg_persons AS p
    INNER JOIN stg_window_months AS w ON p.gregorian_no = w.month_no AND w.calendar = 'gregorian'
),

persons AS (
    SELECT
        window_no,
        scope_no,
        user_no,
        BIT_OR(seen) AS seen,
        BIT_OR(completed) AS completed
    FROM dated
    GROUP BY window_no, scope_no, user_no
),

-- Persons who did the same count together.
alike AS (
    SELECT
        window_no,
        scope_no,
        seen,
        completed,
        COUNT(*) AS persons
    FROM persons
    GROUP BY window_no, scope_no, seen, completed
),

counted AS (
    SELECT
        a.window_no,
        a.scope_no,
        c.channel,
        SUM(a.persons) FILTER (WHERE (a.seen & c.bit) <> 0) AS active,
        SUM(a.persons) FILTER (WHERE (a.seen & (c.bit << 16)) <> 0) AS visited,
        SUM(a.persons) FILTER (WHERE (a.seen & (c.bit << 32)) <> 0) AS received,
        SUM(a.persons) FILTER (WHERE (a.completed & c.bit) <> 0) AS completed,
        SUM(a.persons) FILTER (WHERE (a.completed & (c.bit << 16)) <> 0) AS accepted,
        SUM(a.persons) FILTER (WHERE (a.completed & (c.bit << 32)) <> 0) AS timed,
        SUM(a.persons) FILTER (WHERE c.channel = 'all' AND (a.completed & (1::BIGINT << 48)) <> 0) AS digital,
        SUM(a.persons) FILTER (WHERE c.channel = 'all' AND (a.completed & (1::BIGINT << 49)) <> 0) AS assisted,
        SUM(a.persons) FILTER (WHERE c.channel = 'all' AND (a.completed & (3::BIGINT << 48)) <> 0) AS either,
        SUM(a.persons) FILTER (WHERE c.channel = 'all' AND (a.completed & (6::BIGINT << 48)) <> 0) AS other,
        SUM(a.persons) FILTER (WHERE c.channel = 'all' AND (a.completed & (4::BIGINT << 48)) <> 0) AS neither
    FROM alike AS a
    INNER JOIN dim_channel AS c
        ON ((a.seen | (a.seen >> 16) | (a.seen >> 32) | a.completed) & c.bit) <> 0
    GROUP BY a.window_no, a.scope_no, c.channel
)

SELECT
    w.calendar,
    w.period,
    s.scope,
    s.scope_id,
    n.channel,
    COALESCE(n.active, 0) AS active,
    COALESCE(n.visited, 0) AS visited,
    COALESCE(n.received, 0) AS received,
    COALESCE(n.completed, 0) AS completed,
    COALESCE(n.accepted, 0) AS accepted,
    COALESCE(n.timed, 0) AS timed,
    COALESCE(n.digital, 0) AS digital,
    COALESCE(n.assisted, 0) AS assisted,
    COALESCE(n.either, 0) AS either,
    COALESCE(n.other, 0) AS other,
    COALESCE(n.neither, 0) AS neither
FROM counted AS n
INNER JOIN fct_windows AS w ON n.window_no = w.window_no
INNER JOIN fct_scopes AS s ON n.scope_no = s.scope_no
