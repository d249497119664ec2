-- Services of each district, as its catalogue changes.
--
-- Definition   services on offer of the agencies of the district; full: full and smart; expected: an agency of the district is
--              expected to report (NULL: none surely is, and of one it was not provided)
-- Grain        one row per (district, as_of); as_of: each day, $today at most, on which the district itself, its agencies or
--              their services begin, end or change; only days on which the district is valid
-- Counts       zero truly, where somebody is expected to report; without that nothing listed is not provided
-- Leaves out   planned and retired services; services of level none or informational count in services alone
-- Not          what people of the district used, nor the services of the province or county it lies in
WITH districts AS (
    SELECT
        p.place_id AS district,
        CASE WHEN p.valid_from = DATE '0001-01-01' THEN o.opened_on ELSE p.valid_from END AS valid_from,
        p.valid_before
    FROM dim_place_history AS p
    CROSS JOIN stg_catalogue_start AS o
    WHERE p.kind = 'district'
),

runs AS (
    SELECT
        district,
        valid_from,
        valid_before,
        NULL AS level_code,
        NULL AS asked
    FROM districts
    UNION ALL
    SELECT
        scope_id AS district,
        valid_from,
        valid_before,
        declared_level AS level_code,
        NULL AS asked
    FROM stg_offered_services
    WHERE scope = 'district'
    UNION ALL
    SELECT
        a.district,
        GREATEST(a.valid_from, o.opened_on) AS valid_from,
        a.valid_before,
        NULL AS level_code,
        COALESCE(a.expected_to_report::VARCHAR, 'not_provided') AS asked
    FROM dim_agency_history AS a
    CROSS JOIN stg_catalogue_start AS o
    WHERE a.district IS NOT NULL
),

changes AS (
    SELECT
        *,
        valid_from AS as_of,
        1 AS change
    FROM runs
    WHERE valid_from <= $today AND valid_from < valid_before
    UNION ALL
    SELECT
        *,
        valid_before AS as_of,
        -1 AS change
    FROM runs
    WHERE valid_before <= $today AND valid_from < valid_before
),

counted AS (
    SELECT
        district,
        as_of,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code IS NOT NULL)) OVER so_far, 0) AS services,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code IN ('full', 'smart'))) OVER so_far, 0) AS "full",
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'partial')) OVER so_far, 0) AS partial,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'unknown')) OVER so_far, 0) AS unknown,
        COALESCE(SUM(SUM(change) FILTER (WHERE asked = 'true')) OVER so_far, 0) AS asked,
        COALESCE(SUM(SUM(change) FILTER (WHERE asked = 'not_provided')) OVER so_far, 0) AS perhaps_asked
    FROM changes
    GROUP BY district, as_of
    WINDOW so_far AS (PARTITION BY district ORDER BY as_of)
),

told AS (
    SELECT
        c.*,
        CASE WHEN c.asked > 0 THEN TRUE WHEN c.perhaps_asked = 0 THEN FALSE END AS expected,
        CASE WHEN c.asked > 0 OR c.services > 0 THEN 'value' ELSE 'not_provided' END AS status
    FROM counted AS c
    INNER JOIN districts AS d
        ON c.district = d.district AND c.as_of >= d.valid_from AND c.as_of < d.valid_before
)

SELECT
    district,
    as_of,
    CASE WHEN status = 'value' THEN services END AS services,
    status AS services_status,
    CASE WHEN status = 'value' THEN "full" END AS "full",
    status AS full_status,
    CASE WHEN status = 'value' THEN partial END AS partial,
    status AS partial_status,
    CASE WHEN status = 'value' THEN unknown END AS unknown,
    status AS unknown_status,
    expected,
    1 AS metric_version
FROM told
