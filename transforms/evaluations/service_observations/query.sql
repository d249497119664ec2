-- The electronic level that transactions show of each service, beside the one its agency declares.
--
-- Definition   over all completed transactions up to as_of that tell their in-person steps (observations):
--              unknown  fewer than 30 of them
--              partial  less than 95 % without a step in person
--              smart    95 % without, and of those that tell all of in-person steps, human steps, documents and duration
--                       (30 or more) 95 % have none of them and take 60 seconds at most
--              full     95 % without, and not smart
--              Thresholds are ours and belong to version 1
-- Grain        one row per (service_id, as_of): the last day of each Jalali month with completions (or $today in the running
--              one); for a service never seen, the day from which the catalogue lists it
-- Counts       transactions whichever agency sent them; the declared level is that of the version valid on as_of
-- Leaves out   services never seen that are planned or retired
-- Not          a month's figure: what was observed adds up from the first transaction on
WITH completions AS (
    SELECT
        service_id,
        jalali_no,
        user_no,
        in_person_steps IS NOT NULL AS is_observed,
        in_person_steps = 0 AS is_without_visit,
        in_person_steps IS NOT NULL AND human_steps IS NOT NULL AND documents_requested IS NOT NULL
        AND duration_seconds IS NOT NULL AS is_full,
        in_person_steps = 0 AND human_steps = 0 AND documents_requested = 0 AND duration_seconds <= 60 AS is_smart
    FROM fct_transactions
    WHERE kind = 'completed'
),

months AS (
    SELECT
        service_id,
        jalali_no,
        COUNT(*) FILTER (WHERE is_observed) AS observations,
        COUNT(*) FILTER (WHERE is_without_visit) AS without_visit,
        COUNT(*) FILTER (WHERE is_full) AS full_observations,
        COUNT(*) FILTER (WHERE is_smart) AS smart_observations
    FROM completions
    GROUP BY service_id, jalali_no
),

first_seen AS (
    SELECT
        service_id,
        user_no,
        MIN(jalali_no) AS jalali_no,
        MIN(jalali_no) FILTER (WHERE is_full) AS full_no
    FROM (
        SELECT
            service_id,
            user_no,
            jalali_no,
            is_full
        FROM completions
        WHERE is_observed AND user_no IS NOT NULL
        UNION ALL
        SELECT
            service_id,
            user_no,
            jalali_no,
            is_full
        FROM fct_person_months
        WHERE did = 'completed' AND is_observed
    ) AS observed
    GROUP BY service_id, user_no
),

new_persons AS (
    SELECT
        service_id,
        jalali_no,
        SUM(observed) AS observed,
        SUM(fully) AS fully
    FROM (
        SELECT
            service_id,
            jalali_no,
            1 AS observed,
            0 AS fully
        FROM first_seen
        UNION ALL
        SELECT
            service_id,
            full_no AS jalali_no,
            0 AS observed,
            1 AS fully
        FROM first_seen
        WHERE full_no IS NOT NULL
    ) AS firsts
    GROUP BY service_id, jalali_no
),

summed AS (
    SELECT
        m.service_id,
        LEAST(d.month_start + d.days - 1, $today) AS as_of,
        SUM(m.observations) OVER so_far AS observations,
        SUM(m.without_visit) OVER so_far AS without_visit,
        SUM(m.full_observations) OVER so_far AS full_observations,
        SUM(m.smart_observations) OVER so_far AS smart_observations,
        COALESCE(SUM(n.observed) OVER so_far, 0) AS persons,
        COALESCE(SUM(n.fully) OVER so_far, 0) AS full_persons
    FROM months AS m
    INNER JOIN dim_month AS d ON d.calendar = 'jalali' AND m.jalali_no = d.month_no
    LEFT JOIN new_persons AS n ON m.service_id = n.service_id AND m.jalali_no = n.jalali_no
    WINDOW so_far AS (
        PARTITION BY m.service_id ORDER BY m.jalali_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

listed AS (
    SELECT
        h.service_id,
        GREATEST(MIN(h.valid_from), ANY_VALUE(o.opened_on)) AS as_of
    FROM dim_service_history AS h
    CROSS JOIN stg_catalogue_start AS o
    WHERE COALESCE(h.lifecycle, 'live') IN ('live', 'launching') AND h.service_id NOT IN (SELECT service_id FROM months)
    GROUP BY h.service_id
),

known AS (
    SELECT *
    FROM summed
    UNION ALL
    SELECT
        service_id,
        as_of,
        0 AS observations,
        0 AS without_visit,
        0 AS full_observations,
        0 AS smart_observations,
        0 AS persons,
        0 AS full_persons
    FROM listed
    WHERE as_of <= $today
),

judged AS (
    SELECT
        k.*,
        COALESCE(h.declared_level, 'unknown') AS declared_level,
        CASE
            WHEN k.observations < 30 THEN 'unknown'
            WHEN k.without_visit < 0.95 * k.observations THEN 'partial'
            WHEN k.full_observations >= 30 AND k.smart_observations >= 0.95 * k.full_observations THEN 'smart'
            ELSE 'full'
        END AS observed_level
    FROM known AS k
    LEFT JOIN dim_service_history AS h
        ON k.service_id = h.service_id AND k.as_of >= h.valid_from AND k.as_of < h.valid_before
)

SELECT
    service_id,
    as_of,
    declared_level,
    observed_level,
    CASE WHEN declared_level <> 'unknown' AND observed_level <> 'unknown' THEN declared_level = observed_level END AS agrees,
    observations,
    'value' AS observations_status,
    persons AS observations_keys,
    without_visit,
    'value' AS without_visit_status,
    persons AS without_visit_keys,
    CASE WHEN observations > 0 THEN without_visit / observations END AS no_visit_share,
    CASE WHEN observations > 0 THEN 'value' ELSE 'not_provided' END AS no_visit_share_status,
    persons AS no_visit_share_keys,
    full_observations,
    'value' AS full_observations_status,
    full_persons AS full_observations_keys,
    smart_observations,
    'value' AS smart_observations_status,
    full_persons AS smart_observations_keys,
    CASE WHEN full_observations > 0 THEN smart_observations / full_observations END AS smart_share,
    CASE WHEN full_observations > 0 THEN 'value' ELSE 'not_provided' END AS smart_share_status,
    full_persons AS smart_share_keys,
    1 AS metric_version
FROM judged
