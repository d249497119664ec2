-- The rows that a run's months have: every cell from its first counted event to its scope's latest month.
--
-- Definition   a cell is (calendar, scope, scope_id, channel); the latest month is the scope's, in whatever channel
-- Grain        one row per (calendar, month, scope, scope_id, channel)
-- Window       the months in run_months
-- Not          a statement that anything happened: flows are 0 in a quiet month
SELECT
    m.calendar,
    m.month,
    m.month_no,
    m.month_start,
    s.scope,
    s.scope_id,
    s.channel
FROM run_months AS m
INNER JOIN fct_cell_spans AS s
    ON m.calendar = s.calendar AND m.month_no >= s.first_no AND m.month_no <= s.last_no
