-- The rounds that a mandate asks for, and whether each was held.
--
-- Definition   a mandate of the measure evaluation_round_every_months asks for one round in every run of threshold_low
--              Jalali months from its first day on; held: a round ended (its assessed_to) within the run
-- Grain        one row per (mandate_id, due_from, due_to), both days included, for runs begun by $today
-- Counts       rounds: those that ended within the run; round: the first of them. held is NULL while a run without a
--              round still goes on
-- Leaves out   runs that the mandate's end cuts short, mandates without a first day, rounds without a date
-- Not          a deadline for the results: see release_on of the round
WITH anchors AS (
    SELECT
        m.mandate_id,
        m.valid_from,
        m.valid_before,
        CAST(m.threshold_low AS INTEGER) AS every_months,
        d.month_no,
        DATE_DIFF('day', d.month_start, m.valid_from) AS days_in
    FROM dim_mandate AS m
    INNER JOIN dim_month AS d
        ON d.calendar = 'jalali' AND m.valid_from >= d.month_start AND m.valid_from < d.month_start + d.days
    WHERE m.measure = 'evaluation_round_every_months' AND m.threshold_low >= 1
),

runs AS (
    SELECT
        a.mandate_id,
        a.valid_before,
        CAST(s.month_start + CAST(LEAST(a.days_in, s.days - 1) AS INTEGER) AS DATE) AS due_from,
        CAST(e.month_start + CAST(LEAST(a.days_in, e.days - 1) AS INTEGER) AS DATE) AS due_before
    FROM anchors AS a
    INNER JOIN dim_month AS s
        ON s.calendar = 'jalali' AND a.month_no <= s.month_no AND (s.month_no - a.month_no) % a.every_months = 0
    INNER JOIN dim_month AS e ON e.calendar = 'jalali' AND s.month_no + a.every_months = e.month_no
),

rounds AS (
    SELECT
        round,
        COALESCE(assessed_to, release_on, assessed_from) AS ended_on
    FROM evaluation_rounds_v1
    WHERE cohort = 'all'
)

SELECT
    d.mandate_id,
    d.due_from,
    d.due_before - 1 AS due_to,
    ARG_MIN(r.round, (r.ended_on, r.round)) AS round,
    CASE WHEN COUNT(r.round) > 0 THEN TRUE WHEN d.due_before <= $today THEN FALSE END AS held,
    COUNT(r.round) AS rounds,
    'value' AS rounds_status,
    1 AS metric_version
FROM runs AS d
LEFT JOIN rounds AS r ON d.due_from <= r.ended_on AND d.due_before > r.ended_on
WHERE d.due_from <= $today AND d.due_before <= d.valid_before
GROUP BY d.mandate_id, d.due_from, d.due_before
