-- Events, visits and transactions per cell and month.
--
-- Definition   counted events; visits by the month of their first event; transactions received and completed by that of
--              their earliest event; see the metrics for what each means
-- Grain        one row per (calendar, month_no, scope, scope_id, channel) with at least one; 'all' is computed
-- Counts       with or without a person; additive, so a change is added or taken off
-- Not          persons: see fct_cell_persons
WITH by_channel AS (
    SELECT
        scope,
        scope_id,
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
    GROUP BY scope, scope_id, jalali_no, gregorian_no, channel
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
    calendar,
    month_no,
    scope,
    scope_id,
    CASE WHEN GROUPING(channel) = 1 THEN 'all' ELSE channel END AS channel,
    SUM(events) AS events,
    SUM(visits) AS visits,
    SUM(received) AS received,
    SUM(completed) AS completed,
    SUM(accepted) AS accepted,
    SUM(rejected) AS rejected,
    SUM(timed) AS timed,
    SUM(digital) AS digital,
    SUM(assisted) AS assisted
FROM dated
GROUP BY GROUPING SETS (
    (calendar, month_no, scope, scope_id),
    (calendar, month_no, scope, scope_id, channel)
)
