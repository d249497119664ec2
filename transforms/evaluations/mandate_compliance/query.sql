-- Compliance with each mandate, over time.
--
-- Definition   met: value >= threshold_low, whatever is unknown; else not_measurable: no value, no threshold, or value_upper
--              >= threshold_low, so that it may be met; else overdue after the due day; else not_met
-- Grain        one row per (mandate_id, scope, scope_id, as_of); as_of: the mandate's first day, each day on which its measure
--              changes (mandated_measures; evaluation_calendar for the rounds held of those that were due), and the day after
--              due; $today at most, and only days on which the mandate is valid, but for the day after due: a mandate that
--              ends when it is due is overdue then
-- Counts       for each scope of the mandate's kind that has services, or a number of the measure, while the mandate is valid,
--              from then on; for the nation always
-- Leaves out   mandates that ended before they were due are never overdue; those for single services have no rows
-- Not          a judgement between the two thresholds: met asks for the lower one. For evaluation_round_every_months the
--              mandate's own number is months, so the threshold here is 1: every round that was due
WITH mandates AS (
    SELECT
        m.*,
        CASE WHEN m.valid_from = DATE '0001-01-01' THEN o.opened_on ELSE m.valid_from END AS starts_on,
        CASE WHEN m.measure = 'evaluation_round_every_months' THEN 1.0 ELSE m.threshold_low END AS asked_low,
        CASE WHEN m.measure <> 'evaluation_round_every_months' THEN m.threshold_high END AS asked_high,
        CASE WHEN m.due < m.valid_before THEN m.due + 1 END AS late_from
    FROM dim_mandate AS m
    CROSS JOIN stg_catalogue_start AS o
    WHERE starts_on <= $today
),

-- A window of evaluation_calendar is due on its last day: a round held in it counts from the day after.
rounds AS (
    SELECT
        mandate_id,
        due_to + 1 AS as_of,
        SUM(COUNT(*) FILTER (WHERE held)) OVER so_far AS held,
        SUM(COUNT(*)) OVER so_far AS due
    FROM evaluation_calendar_v1
    WHERE due_to < $today
    GROUP BY mandate_id, due_to
    WINDOW so_far AS (PARTITION BY mandate_id ORDER BY due_to)
),

known AS (
    SELECT DISTINCT
        m.mandate_id,
        v.* EXCLUDE (value_upper_status, metric_version)
    FROM mandates AS m
    INNER JOIN mandated_measures_v1 AS v ON m.measure = v.measure AND m.scope = v.scope
    UNION ALL
    SELECT
        mandate_id,
        'evaluation_round_every_months' AS measure,
        'national' AS scope,
        'IR' AS scope_id,
        as_of,
        held AS counted,
        'value' AS counted_status,
        0 AS perhaps_counted,
        'value' AS perhaps_counted_status,
        due AS total,
        'value' AS total_status,
        held / due AS value,
        'value' AS value_status,
        held / due AS value_upper
    FROM rounds
),

known_until AS (
    SELECT
        *,
        COALESCE(
            LEAD(as_of) OVER (PARTITION BY mandate_id, measure, scope, scope_id ORDER BY as_of), DATE '9999-12-31'
        ) AS known_before
    FROM known
),

listed AS (
    SELECT
        scope,
        scope_id,
        services,
        as_of,
        COALESCE(
            LEAD(as_of) OVER (PARTITION BY scope, scope_id ORDER BY as_of), DATE '9999-12-31'
        ) AS listed_before
    FROM service_levels_v1
),

bound AS (
    SELECT
        m.mandate_id,
        m.valid_from,
        l.scope_id,
        l.as_of AS bound_from
    FROM mandates AS m
    INNER JOIN listed AS l ON m.scope = l.scope AND m.starts_on < l.listed_before AND m.valid_before > l.as_of
    WHERE l.services > 0
    UNION ALL
    SELECT
        m.mandate_id,
        m.valid_from,
        k.scope_id,
        k.as_of AS bound_from
    FROM mandates AS m
    INNER JOIN known_until AS k
        ON
            m.mandate_id = k.mandate_id
            AND m.measure = k.measure
            AND m.scope = k.scope
            AND m.starts_on < k.known_before
            AND m.valid_before > k.as_of
    WHERE k.value_status <> 'not_applicable'
    UNION ALL
    SELECT
        mandate_id,
        valid_from,
        'IR' AS scope_id,
        starts_on AS bound_from
    FROM mandates
    WHERE scope = 'national'
),

bound_once AS (
    SELECT
        mandate_id,
        valid_from,
        scope_id,
        MIN(bound_from) AS bound_from
    FROM bound
    GROUP BY mandate_id, valid_from, scope_id
),

duties AS (
    SELECT
        m.*,
        b.scope_id,
        GREATEST(m.starts_on, b.bound_from) AS first_day
    FROM mandates AS m
    INNER JOIN bound_once AS b ON m.mandate_id = b.mandate_id AND m.valid_from = b.valid_from
),

days AS (
    SELECT
        mandate_id,
        valid_from,
        scope_id,
        first_day AS as_of
    FROM duties
    UNION
    SELECT
        mandate_id,
        valid_from,
        scope_id,
        late_from AS as_of
    FROM duties
    WHERE late_from BETWEEN first_day AND $today
    UNION
    SELECT
        d.mandate_id,
        d.valid_from,
        d.scope_id,
        k.as_of
    FROM duties AS d
    INNER JOIN known AS k
        ON
            d.mandate_id = k.mandate_id
            AND d.measure = k.measure
            AND d.scope = k.scope
            AND d.scope_id = k.scope_id
            AND d.first_day < k.as_of
            AND d.valid_before > k.as_of
),

judged AS (
    SELECT
        d.*,
        t.as_of,
        v.counted,
        COALESCE(v.counted_status, 'not_provided') AS counted_status,
        v.perhaps_counted,
        COALESCE(v.perhaps_counted_status, 'not_provided') AS perhaps_counted_status,
        v.total,
        COALESCE(v.total_status, 'not_provided') AS total_status,
        v.value,
        COALESCE(v.value_status, 'not_provided') AS value_status,
        v.value_upper,
        CASE
            WHEN v.value IS NULL OR d.asked_low IS NULL THEN 'not_measurable'
            WHEN v.value >= d.asked_low THEN 'met'
            WHEN v.value_upper >= d.asked_low THEN 'not_measurable'
            WHEN t.as_of > d.due THEN 'overdue'
            ELSE 'not_met'
        END AS compliance
    FROM days AS t
    INNER JOIN duties AS d
        ON t.mandate_id = d.mandate_id AND t.valid_from = d.valid_from AND t.scope_id = d.scope_id
    LEFT JOIN known_until AS v
        ON
            d.mandate_id = v.mandate_id
            AND d.measure = v.measure
            AND d.scope = v.scope
            AND d.scope_id = v.scope_id
            AND LEAST(t.as_of, d.valid_before - 1) >= v.as_of
            AND LEAST(t.as_of, d.valid_before - 1) < v.known_before
    -- On the day after due a newer version of the mandate may speak.
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY d.mandate_id, d.scope, d.scope_id, t.as_of ORDER BY d.valid_from DESC
    ) = 1
)

SELECT
    mandate_id,
    scope,
    scope_id,
    as_of,
    measure,
    counted,
    counted_status,
    perhaps_counted,
    perhaps_counted_status,
    total,
    total_status,
    value,
    value_status,
    value_upper,
    value_status AS value_upper_status,
    asked_low AS threshold_low,
    asked_high AS threshold_high,
    compliance,
    due,
    law_fa,
    law_en,
    1 AS metric_version
FROM judged
