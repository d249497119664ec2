-- Services by declared electronic level, per scope, as the catalogue changes.
--
-- Definition   electronic_share = share_lower: (full + smart) / services; share_upper adds unknown to the numerator;
--              share_of_known: (full + smart) / (services - unknown). The truth lies between lower and upper
-- Grain        one row per (as_of, scope, scope_id); as_of: each day, $today at most, on which a service of the scope
--              begins, ends or changes, or joins or leaves it with its agency. A row holds until the scope's next one
-- Counts       services on offer (live, launching, or of unsaid lifecycle) of agencies valid on the day; the nation counts
--              an official_code once, however many agencies deliver it, and each service without a code
-- Leaves out   planned and retired services; a blank first day counts from the catalogue's start (stg_catalogue_start)
-- Not          what people used or what was observed; not additive over scopes. A code whose deliverers differ has the
--              lowest known level below full; else it is unknown if one is; else full if one is; else smart: the least
--              that holds wherever one asks for it
WITH runs AS (
    SELECT
        scope,
        scope_id,
        CASE WHEN scope = 'national' THEN official_code END AS shared_code,
        declared_level AS level_code,
        valid_from,
        valid_before
    FROM stg_offered_services
),

delivered AS (
    SELECT
        shared_code,
        valid_from AS as_of,
        level_code,
        1 AS change
    FROM runs
    WHERE shared_code IS NOT NULL
    UNION ALL
    SELECT
        shared_code,
        valid_before AS as_of,
        level_code,
        -1 AS change
    FROM runs
    WHERE shared_code IS NOT NULL AND valid_before <= $today
),

deliverers AS (
    SELECT
        shared_code,
        as_of,
        SUM(SUM(change) FILTER (WHERE level_code = 'none')) OVER so_far AS at_none,
        SUM(SUM(change) FILTER (WHERE level_code = 'informational')) OVER so_far AS at_informational,
        SUM(SUM(change) FILTER (WHERE level_code = 'partial')) OVER so_far AS at_partial,
        SUM(SUM(change) FILTER (WHERE level_code = 'unknown')) OVER so_far AS at_unknown,
        SUM(SUM(change) FILTER (WHERE level_code = 'full')) OVER so_far AS at_full,
        SUM(SUM(change) FILTER (WHERE level_code = 'smart')) OVER so_far AS at_smart
    FROM delivered
    GROUP BY shared_code, as_of
    WINDOW so_far AS (PARTITION BY shared_code ORDER BY as_of)
),

codes AS (
    SELECT
        shared_code,
        as_of,
        CASE
            WHEN at_none > 0 THEN 'none'
            WHEN at_informational > 0 THEN 'informational'
            WHEN at_partial > 0 THEN 'partial'
            WHEN at_unknown > 0 THEN 'unknown'
            WHEN at_full > 0 THEN 'full'
            WHEN at_smart > 0 THEN 'smart'
        END AS level_code
    FROM deliverers
),

changes AS (
    SELECT
        scope,
        scope_id,
        valid_from AS as_of,
        level_code,
        1 AS change
    FROM runs
    WHERE shared_code IS NULL
    UNION ALL
    SELECT
        scope,
        scope_id,
        valid_before AS as_of,
        level_code,
        -1 AS change
    FROM runs
    WHERE shared_code IS NULL AND valid_before <= $today
    UNION ALL
    SELECT
        'national' AS scope,
        'IR' AS scope_id,
        as_of,
        level_code,
        1 AS change
    FROM codes
    UNION ALL
    SELECT
        'national' AS scope,
        'IR' AS scope_id,
        as_of,
        LAG(level_code) OVER (PARTITION BY shared_code ORDER BY as_of) AS level_code,
        -1 AS change
    FROM codes
),

counted AS (
    SELECT
        as_of,
        scope,
        scope_id,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code IS NOT NULL)) OVER so_far, 0) AS services,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'none')) OVER so_far, 0) AS none,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'informational')) OVER so_far, 0) AS informational,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'partial')) OVER so_far, 0) AS partial,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'full')) OVER so_far, 0) AS "full",
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'smart')) OVER so_far, 0) AS smart,
        COALESCE(SUM(SUM(change) FILTER (WHERE level_code = 'unknown')) OVER so_far, 0) AS unknown
    FROM changes
    GROUP BY as_of, scope, scope_id
    WINDOW so_far AS (PARTITION BY scope, scope_id ORDER BY as_of)
)

SELECT
    as_of,
    scope,
    scope_id,
    services,
    'value' AS services_status,
    none,
    'value' AS none_status,
    informational,
    'value' AS informational_status,
    partial,
    'value' AS partial_status,
    "full",
    'value' AS full_status,
    smart,
    'value' AS smart_status,
    unknown,
    'value' AS unknown_status,
    CASE WHEN services > 0 THEN ("full" + smart) / services END AS electronic_share,
    CASE WHEN services > 0 THEN 'value' ELSE 'not_applicable' END AS electronic_share_status,
    electronic_share AS share_lower,
    electronic_share_status AS share_lower_status,
    CASE WHEN services > 0 THEN ("full" + smart + unknown) / services END AS share_upper,
    electronic_share_status AS share_upper_status,
    CASE WHEN services > unknown THEN ("full" + smart) / (services - unknown) END AS share_of_known,
    CASE WHEN services > unknown THEN 'value' ELSE 'not_applicable' END AS share_of_known_status,
    1 AS metric_version
FROM counted
