-- Each agency's service desk: whether it takes part, and the level it declares beside the one that transactions show.
--
-- Definition   participates: the agency has completed a transaction in channel service_desk up to as_of.
--              The desk's services are those of the agency that list that channel on as_of, neither planned nor retired.
--              declared_level: the most common known level among them, of equals the lower; unknown where none is known.
--              observed_level: as in service_observations (30 observations, 95 %, 60 seconds), over the agency's completed
--              transactions of these services, in whatever channel, up to as_of
-- Grain        one row per (agency_id, as_of): the last day of each Jalali month with completions of the agency, or $today
--              in the running one
-- Counts       expected: whether the catalogue expects reports of the agency on as_of; NULL is not provided
-- Leaves out   agencies that completed nothing yet: of them nothing is known, and silent is not zero
-- Not          a share of agencies: how many ought to have a desk is not in these data
WITH completions AS (
    SELECT
        agency_id,
        service_id,
        jalali_no,
        user_no,
        channel = 'service_desk' AS is_at_desk,
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
        agency_id,
        service_id,
        jalali_no,
        BOOL_OR(is_at_desk) AS is_at_desk,
        COUNT(*) FILTER (WHERE is_observed) AS observations,
        COUNT(*) FILTER (WHERE is_without_visit) AS without_visit,
        COUNT(*) FILTER (WHERE is_full) AS full_observations,
        COUNT(*) FILTER (WHERE is_smart) AS smart_observations
    FROM completions
    GROUP BY agency_id, service_id, jalali_no
),

agency_months AS (
    SELECT
        a.agency_id,
        a.jalali_no,
        LEAST(d.month_start + d.days - 1, $today) AS as_of,
        BOOL_OR(a.is_at_desk) OVER (PARTITION BY a.agency_id ORDER BY a.jalali_no) AS participates
    FROM (
        SELECT
            agency_id,
            jalali_no,
            BOOL_OR(is_at_desk) AS is_at_desk
        FROM months
        GROUP BY agency_id, jalali_no
    ) AS a
    INNER JOIN dim_month AS d ON d.calendar = 'jalali' AND a.jalali_no = d.month_no
),

desk_services AS (
    SELECT
        m.agency_id,
        m.jalali_no,
        h.service_id,
        COALESCE(h.declared_level, 'unknown') AS declared_level,
        COALESCE(LIST_POSITION(['none', 'informational', 'partial', 'full', 'smart'], h.declared_level), 6) AS height
    FROM agency_months AS m
    INNER JOIN dim_service_history AS h
        ON m.agency_id = h.agency_id AND m.as_of >= h.valid_from AND m.as_of < h.valid_before
    WHERE
        LIST_CONTAINS(STRING_SPLIT(h.channels, '|'), 'service_desk')
        AND COALESCE(h.lifecycle, 'live') IN ('live', 'launching')
),

declared AS (
    SELECT
        agency_id,
        jalali_no,
        SUM(services) AS services,
        FIRST(declared_level ORDER BY height = 6 ASC, services DESC, height ASC) AS declared_level
    FROM (
        SELECT
            agency_id,
            jalali_no,
            declared_level,
            height,
            COUNT(*) AS services
        FROM desk_services
        GROUP BY agency_id, jalali_no, declared_level, height
    ) AS levels
    GROUP BY agency_id, jalali_no
),

-- A desk is its set of services: what was observed of a set is summed once, however many months it stands.
desks AS (
    SELECT
        agency_id,
        jalali_no,
        LIST(service_id ORDER BY service_id) AS services
    FROM desk_services
    GROUP BY agency_id, jalali_no
),

sets AS (
    SELECT DISTINCT
        agency_id,
        services
    FROM desks
),

members AS (
    SELECT
        agency_id,
        services,
        UNNEST(services) AS service_id
    FROM sets
),

first_seen AS (
    SELECT
        s.agency_id,
        s.services,
        MIN(c.jalali_no) AS jalali_no
    FROM (
        SELECT
            agency_id,
            service_id,
            user_no,
            jalali_no
        FROM completions
        WHERE is_observed AND user_no IS NOT NULL
        UNION ALL
        SELECT
            agency_id,
            service_id,
            user_no,
            jalali_no
        FROM fct_person_months
        WHERE did = 'completed' AND is_observed
    ) AS c
    INNER JOIN members AS s ON c.agency_id = s.agency_id AND c.service_id = s.service_id
    GROUP BY s.agency_id, s.services, c.user_no
),

observed AS (
    SELECT
        s.agency_id,
        s.services,
        m.jalali_no,
        m.observations,
        m.without_visit,
        m.full_observations,
        m.smart_observations,
        0 AS persons
    FROM months AS m
    INNER JOIN members AS s ON m.agency_id = s.agency_id AND m.service_id = s.service_id
    UNION ALL
    SELECT
        agency_id,
        services,
        jalali_no,
        0 AS observations,
        0 AS without_visit,
        0 AS full_observations,
        0 AS smart_observations,
        1 AS persons
    FROM first_seen
),

observed_months AS (
    SELECT
        agency_id,
        services,
        jalali_no,
        SUM(observations) AS observations,
        SUM(without_visit) AS without_visit,
        SUM(full_observations) AS full_observations,
        SUM(smart_observations) AS smart_observations,
        SUM(persons) AS persons
    FROM observed
    GROUP BY agency_id, services, jalali_no
),

so_far AS (
    SELECT
        d.agency_id,
        d.jalali_no,
        SUM(o.observations) AS observations,
        SUM(o.without_visit) AS without_visit,
        SUM(o.full_observations) AS full_observations,
        SUM(o.smart_observations) AS smart_observations,
        SUM(o.persons) AS persons
    FROM desks AS d
    INNER JOIN observed_months AS o
        ON d.agency_id = o.agency_id AND d.services = o.services AND d.jalali_no >= o.jalali_no
    GROUP BY d.agency_id, d.jalali_no
)

SELECT
    m.agency_id,
    m.as_of,
    a.expected_to_report AS expected,
    m.participates,
    COALESCE(d.declared_level, 'unknown') AS declared_level,
    CASE
        WHEN COALESCE(s.observations, 0) < 30 THEN 'unknown'
        WHEN s.without_visit < 0.95 * s.observations THEN 'partial'
        WHEN s.full_observations >= 30 AND s.smart_observations >= 0.95 * s.full_observations THEN 'smart'
        ELSE 'full'
    END AS observed_level,
    COALESCE(d.services, 0) AS services,
    'value' AS services_status,
    COALESCE(s.observations, 0) AS observations,
    'value' AS observations_status,
    COALESCE(s.persons, 0) AS observations_keys,
    1 AS metric_version
FROM agency_months AS m
LEFT JOIN dim_agency_history AS a
    ON m.agency_id = a.agency_id AND m.as_of >= a.valid_from AND m.as_of < a.valid_before
LEFT JOIN declared AS d ON m.agency_id = d.agency_id AND m.jalali_no = d.jalali_no
LEFT JOIN so_far AS s ON m.agency_id = s.agency_id AND m.jalali_no = s.jalali_no
