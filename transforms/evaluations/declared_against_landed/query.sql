-- What agencies declare beside what their events show, for the same cell.
--
-- Definition   difference = completed - declared; ratio = completed / declared; finding: matches (equal), short (fewer events
--              than declared), over (more), declared_only (no events told), landed_only (no number declared), neither
-- Grain        one row per (calendar, period, scope, scope_id, channel); a period is a month or a longer one
-- Counts       cells in which something was declared: a number, or the word that it is not provided or not applicable
-- Leaves out   cells that nobody declared anything for
-- Not          a correction: declared figures are never mixed into completed. A scope's declared total may speak of fewer
--              agencies than its events
WITH cells AS (
    SELECT
        calendar,
        month AS period,
        scope,
        scope_id,
        channel,
        declared,
        declared_status,
        completed,
        completed_status,
        completed_keys
    FROM monthly_transactions_v1
    WHERE declared_applicable_status = 'value'
    UNION ALL
    SELECT
        calendar,
        period,
        scope,
        scope_id,
        channel,
        declared,
        declared_status,
        completed,
        completed_status,
        completed_keys
    FROM period_totals_v1
    WHERE declared_applicable_status = 'value'
),

judged AS (
    SELECT
        *,
        CASE
            WHEN declared_status = 'value' AND completed_status = 'value' THEN 'value'
            WHEN declared_status = 'value' THEN completed_status
            ELSE declared_status
        END AS compared
    FROM cells
)

SELECT
    calendar,
    period,
    scope,
    scope_id,
    channel,
    declared,
    declared_status,
    completed,
    completed_status,
    completed_keys,
    CASE WHEN compared = 'value' THEN completed - declared END AS difference,
    compared AS difference_status,
    completed_keys AS difference_keys,
    CASE WHEN compared = 'value' AND declared > 0 THEN completed / declared END AS ratio,
    CASE WHEN compared = 'value' AND declared = 0 THEN 'not_applicable' ELSE compared END AS ratio_status,
    completed_keys AS ratio_keys,
    CASE
        WHEN compared = 'value' AND completed = declared THEN 'matches'
        WHEN compared = 'value' AND completed < declared THEN 'short'
        WHEN compared = 'value' THEN 'over'
        WHEN declared_status = 'value' THEN 'declared_only'
        WHEN completed_status = 'value' THEN 'landed_only'
        ELSE 'neither'
    END AS finding,
    1 AS metric_version
FROM judged
