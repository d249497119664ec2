-- From which month to which month a cell has rows.
--
-- Definition   first_no: the month of the cell's first counted event; last_no: the latest month with any counted event of
--              its (scope, scope_id), in whatever channel
-- Grain        one row per (calendar, scope, scope_id, channel)
-- Not          widened by declarations: a declared month without events has a row of its own
SELECT
    calendar,
    scope,
    scope_id,
    channel,
    MIN(month_no) AS first_no,
    MAX(MAX(month_no)) OVER (PARTITION BY calendar, scope, scope_id) AS last_no
FROM fct_cell_counts
WHERE events > 0
GROUP BY calendar, scope, scope_id, channel
