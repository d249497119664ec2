-- Events, visits and transactions per cell and month.
--
-- Definition   counted events; visits by the month of their first event; transactions received and completed by that of
--              their earliest event; see the metrics for what each means
-- Grain        one row per (calendar, month_no, scope, scope_id, channel) with at least one; 'all' is computed
-- Counts       with or without a person; additive, so a change is added or taken off
-- Not          persons: see fct_cell_persons
WITH by_channel AS (
    SELECT
        scope_no,
        jalali_no,
        gregorian_no,
        channel,
        SUM(events) AS events,
        COUNT(*) FILTER (WHERE (seen & (32768::BIGINT << 16)) <> 0) AS visits,
        COUNT(*) FILTER (WHERE (seen & (32768::BIGINT << 32)) <> 0) AS received,
        COUNT(*) FILTER (WHERE (completed & 32768) <> 0) AS completed,
        COUNT(*) FILTER (WHERE (completed & (32768::BIGINT << 16)) <> 0) AS accepted,
        COUNT(*) FILTER (WHERE (completed & (1::BIGINT << 51)) <> 0) AS rejected,
        COUNT(*) FILTER (WHERE (completed & (32768::BIGINT << 32)) <> 0) AS timed,
        COUNT(*) FILTER (WHERE (completed & (1::BIGINT << 48)) <> 0) AS digital,
        COUNT(*) FILTER (WHERE (completed & (1::BIGINT << 49)) <> 0) AS assisted
    FROM stg_scoped
    GROUP BY scope_no, jalali_no, gregorian_no, channel
),

dated AS (
    SELECT
        'jalali' AS calendar,
        jalali_no AS month_no,
        *
    FROM by_channel
    UNION ALL
    SELECT
        'gregorian' AS calendar,
        gregorian_no AS month_no,
        *
    FROM by_channel
)

SELECT
    d.calendar,
    d.month_no,
    s.scope,
    s.scope_id,
    CASE WHEN GROUPING(d.channel) = 1 THEN 'all' ELSE d.channel END AS channel,
    SUM(d.events) AS events,
    SUM(d.visits) AS visits,
    SUM(d.received) AS received,
    SUM(d.completed) AS completed,
    SUM(d.accepted) AS accepted,
    SUM(d.rejected) AS rejected,
    SUM(d.timed) AS timed,
    SUM(d.digital) AS digital,
    SUM(d.assisted) AS assisted
FROM dated AS d
INNER JOIN fct_scopes AS s ON d.scope_no = s.scope_no
GROUP BY GROUPING SETS (
    (d.calendar, d.month_no, s.scope, s.scope_id),
    (d.calendar, d.month_no, s.scope, s.scope_id, d.channel)
)
