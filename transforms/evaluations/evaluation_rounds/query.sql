-- Each round of the national evaluation as a whole, for all its agencies and for those that the round before knows too.
--
-- Definition   mean_score: mean of the scores of full scope; means of the indicators alike; growth_points: mean - previous
--              mean; growth_pct: 100 x (mean / previous - 1); ratio: mean / previous. previous_round: by the day it ended
-- Grain        one row per (round, cohort). all: every agency assessed, the round before with all of its own;
--              matched: full scope and a score in both rounds, both means over these same agencies
-- Counts       agencies; partial_scope: those scored on web presence alone; scored: those in mean_score
-- Leaves out   partial scope from every mean
-- Not          growth of one population, in the cohort all: another round asks other agencies. A first round has a level
--              and no growth
WITH ranked AS (
    SELECT
        *,
        COALESCE(assessed_to, release_on, assessed_from) AS ended_on,
        COALESCE(scope_flag = 'full', FALSE) AS is_full
    FROM agency_ranking_v1
),

rounds AS (
    SELECT
        round,
        ANY_VALUE(ended_on) AS ended_on,
        ANY_VALUE(assessed_from) AS assessed_from,
        ANY_VALUE(assessed_to) AS assessed_to,
        ANY_VALUE(release_on) AS release_on,
        ANY_VALUE(framework_version) AS framework_version
    FROM ranked
    GROUP BY round
),

followed AS (
    SELECT
        round,
        LAG(round) OVER (ORDER BY ended_on, round) AS previous_round
    FROM rounds
    WHERE ended_on IS NOT NULL
),

members AS (
    SELECT
        'all' AS cohort,
        *,
        NULL::DOUBLE AS previous_score
    FROM ranked
    UNION ALL
    SELECT
        'matched' AS cohort,
        a.*,
        b.score AS previous_score
    FROM ranked AS a
    INNER JOIN followed AS f ON a.round = f.round
    INNER JOIN ranked AS b ON f.previous_round = b.round AND a.agency_id = b.agency_id
    WHERE a.is_full AND b.is_full AND a.score IS NOT NULL AND b.score IS NOT NULL
),

cohorts AS (
    SELECT
        round,
        'all' AS cohort
    FROM rounds
    UNION ALL
    SELECT
        round,
        'matched' AS cohort
    FROM followed
    WHERE previous_round IS NOT NULL
),

means AS (
    SELECT
        c.round,
        c.cohort,
        COUNT(m.agency_id) AS agencies,
        COUNT(*) FILTER (WHERE m.scope_flag = 'web_presence_only') AS partial_scope,
        COUNT(*) FILTER (WHERE m.is_full) AS whole,
        COUNT(m.score) FILTER (WHERE m.is_full) AS scored,
        AVG(m.score ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_score,
        AVG(m.previous_score ORDER BY m.agency_id) AS matched_before,
        AVG(m.web_presence ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_web_presence,
        AVG(m.interactive ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_interactive,
        AVG(m.transactional ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_transactional,
        AVG(m.integration ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_integration,
        AVG(m.participation ORDER BY m.agency_id) FILTER (WHERE m.is_full) AS mean_participation
    FROM cohorts AS c
    LEFT JOIN members AS m ON c.round = m.round AND c.cohort = m.cohort
    GROUP BY c.round, c.cohort
),

announcements AS (
    SELECT
        framework_version,
        MAX(announced_on) AS announced_on
    FROM dim_framework
    GROUP BY framework_version
),

compared AS (
    SELECT
        m.*,
        f.previous_round,
        IF(m.cohort = 'matched', m.matched_before, b.mean_score) AS mean_before,
        -- A mean of nobody is no question; one of agencies whose scores nobody told is an open one.
        IF(m.whole = 0, 'not_applicable', 'not_provided') AS otherwise,
        r.* EXCLUDE (round),
        a.announced_on
    FROM means AS m
    INNER JOIN rounds AS r ON m.round = r.round
    LEFT JOIN followed AS f ON m.round = f.round
    LEFT JOIN means AS b ON f.previous_round = b.round AND b.cohort = 'all'
    LEFT JOIN announcements AS a ON r.framework_version = a.framework_version
),

judged AS (
    SELECT
        *,
        CASE
            WHEN ended_on IS NULL THEN 'not_provided'
            WHEN previous_round IS NULL THEN 'not_applicable'
            WHEN mean_score IS NULL THEN otherwise
            WHEN mean_before IS NULL THEN 'not_provided'
            ELSE 'value'
        END AS growth_status
    FROM compared
)

SELECT
    round,
    cohort,
    agencies,
    'value' AS agencies_status,
    partial_scope,
    'value' AS partial_scope_status,
    scored,
    'value' AS scored_status,
    mean_score,
    IF(mean_score IS NULL, otherwise, 'value') AS mean_score_status,
    mean_web_presence,
    IF(mean_web_presence IS NULL, otherwise, 'value') AS mean_web_presence_status,
    mean_interactive,
    IF(mean_interactive IS NULL, otherwise, 'value') AS mean_interactive_status,
    mean_transactional,
    IF(mean_transactional IS NULL, otherwise, 'value') AS mean_transactional_status,
    mean_integration,
    IF(mean_integration IS NULL, otherwise, 'value') AS mean_integration_status,
    mean_participation,
    IF(mean_participation IS NULL, otherwise, 'value') AS mean_participation_status,
    previous_round,
    IF(growth_status = 'value' AND mean_before > 0, 100 * (mean_score / mean_before - 1), NULL) AS growth_pct,
    IF(growth_status = 'value' AND mean_before = 0, 'not_applicable', growth_status) AS growth_pct_status,
    IF(growth_status = 'value', mean_score - mean_before, NULL) AS growth_points,
    growth_status AS growth_points_status,
    IF(growth_status = 'value' AND mean_before > 0, mean_score / mean_before, NULL) AS ratio,
    IF(growth_status = 'value' AND mean_before = 0, 'not_applicable', growth_status) AS ratio_status,
    framework_version,
    assessed_from,
    assessed_to,
    release_on,
    announced_on,
    1 AS metric_version
FROM judged
