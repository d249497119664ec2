-- The ranking of each round of the national evaluation, and each agency's growth since its round before.
--
-- Definition   score: sum of weight x score / sum of weights, over the indicators of the framework, by desk review;
--              rank: dense, the highest score first; population: the agencies ranked; growth_points: score - previous;
--              growth_pct: 100 x (score / previous - 1); ratio: score / previous
-- Grain        one row per (round, agency_id), under the framework of the round that was announced last
-- Counts       full scope in rank and population. A partial scope has the score of its web presence alone, and no rank
-- Leaves out   nothing is filled in: without every weight and every indicator's score the score is not provided
-- Not          a mean (see evaluation_rounds), and no order between scopes. Field assessments have a score of their own,
--              never mixed with the desk's. Rounds without any date have no before and no after
WITH rounds AS (
    SELECT
        round,
        MIN(assessed_from) AS assessed_from,
        MAX(assessed_to) AS assessed_to,
        MAX(release_on) AS release_on,
        COALESCE(MAX(assessed_to), MAX(release_on), MAX(assessed_from)) AS ended_on
    FROM fct_assessments
    GROUP BY round
),

frameworks AS (
    SELECT
        framework_version,
        MAX(announced_on) AS announced_on,
        LIST(indicator) AS indicators
    FROM dim_framework
    GROUP BY framework_version
),

rounds_by_framework AS (
    SELECT DISTINCT
        round,
        framework_version
    FROM fct_assessments
),

round_frameworks AS (
    SELECT
        a.round,
        a.framework_version
    FROM rounds_by_framework AS a
    LEFT JOIN frameworks AS f ON a.framework_version = f.framework_version
    QUALIFY
        ROW_NUMBER() OVER (
            PARTITION BY a.round ORDER BY f.announced_on DESC NULLS LAST, a.framework_version DESC NULLS LAST
        ) = 1
),

scores AS (
    SELECT a.*
    FROM fct_assessments AS a
    INNER JOIN round_frameworks AS f
        ON a.round = f.round AND a.framework_version IS NOT DISTINCT FROM f.framework_version
),

reviews AS (
    SELECT DISTINCT
        round,
        framework_version,
        agency_id,
        method
    FROM scores
),

weighed AS (
    SELECT
        m.round,
        m.agency_id,
        m.method,
        CASE
            WHEN COUNT(*) = COUNT(w.weight * s.score)
                THEN
                    SUM(w.weight * s.score ORDER BY w.indicator)
                    / NULLIF(SUM(w.weight ORDER BY w.indicator), 0)
        END AS full_score
    FROM reviews AS m
    INNER JOIN dim_framework AS w ON m.framework_version = w.framework_version
    LEFT JOIN scores AS s
        ON m.round = s.round AND m.agency_id = s.agency_id AND m.method = s.method AND w.indicator = s.indicator
    GROUP BY m.round, m.agency_id, m.method
),

agencies AS (
    SELECT
        round,
        agency_id,
        ANY_VALUE(framework_version) AS framework_version,
        BOOL_OR(method = 'desk') AS has_desk,
        BOOL_OR(method = 'field') AS has_field,
        CASE
            WHEN BOOL_OR(scope = 'web_presence_only') FILTER (WHERE method = 'desk') THEN 'web_presence_only'
            WHEN BOOL_OR(scope = 'full') FILTER (WHERE method = 'desk') THEN 'full'
        END AS scope_flag,
        MIN(scope_reason) FILTER (WHERE method = 'desk') AS scope_reason,
        MAX(score) FILTER (WHERE method = 'desk' AND indicator = 'web_presence') AS web_presence,
        MAX(score) FILTER (WHERE method = 'desk' AND indicator = 'interactive') AS interactive,
        MAX(score) FILTER (WHERE method = 'desk' AND indicator = 'transactional') AS transactional,
        MAX(score) FILTER (WHERE method = 'desk' AND indicator = 'integration') AS integration,
        MAX(score) FILTER (WHERE method = 'desk' AND indicator = 'participation') AS participation
    FROM scores
    GROUP BY round, agency_id
),

scored AS (
    SELECT
        a.*,
        CASE WHEN a.scope_flag = 'web_presence_only' THEN a.web_presence ELSE d.full_score END AS score,
        f.full_score AS field_score
    FROM agencies AS a
    LEFT JOIN weighed AS d ON a.round = d.round AND a.agency_id = d.agency_id AND d.method = 'desk'
    LEFT JOIN weighed AS f ON a.round = f.round AND a.agency_id = f.agency_id AND f.method = 'field'
),

ranked AS (
    SELECT
        *,
        COALESCE(scope_flag = 'full' AND score IS NOT NULL, FALSE) AS is_ranked,
        -- Sums of fractions that are equal on paper may differ in their last digit.
        DENSE_RANK() OVER (
            PARTITION BY round, COALESCE(scope_flag = 'full' AND score IS NOT NULL, FALSE) ORDER BY ROUND(score, 9) DESC
        ) AS place,
        COUNT(*) FILTER (WHERE scope_flag = 'full' AND score IS NOT NULL) OVER (PARTITION BY round) AS population
    FROM scored
),

followed AS (
    SELECT
        s.round,
        s.agency_id,
        LAG(s.round) OVER one_agency AS previous_round,
        LAG(s.scope_flag) OVER one_agency AS previous_scope,
        LAG(s.score) OVER one_agency AS previous_score
    FROM scored AS s
    INNER JOIN rounds AS r ON s.round = r.round
    WHERE s.has_desk AND r.ended_on IS NOT NULL
    WINDOW one_agency AS (PARTITION BY s.agency_id ORDER BY r.ended_on, s.round)
),

compared AS (
    SELECT
        a.*,
        r.assessed_from,
        r.assessed_to,
        r.release_on,
        h.id_confirmed_on,
        b.previous_round,
        b.previous_score,
        CASE
            WHEN b.round IS NULL THEN 'not_provided'
            WHEN b.previous_round IS NULL OR (a.scope_flag IS DISTINCT FROM b.previous_scope) THEN 'not_applicable'
            WHEN a.score IS NULL OR b.previous_score IS NULL THEN 'not_provided'
            ELSE 'value'
        END AS growth_status,
        LIST_CONTAINS(f.indicators, 'web_presence') AS asks_web_presence,
        LIST_CONTAINS(f.indicators, 'interactive') AS asks_interactive,
        LIST_CONTAINS(f.indicators, 'transactional') AS asks_transactional,
        LIST_CONTAINS(f.indicators, 'integration') AS asks_integration,
        LIST_CONTAINS(f.indicators, 'participation') AS asks_participation
    FROM ranked AS a
    INNER JOIN rounds AS r ON a.round = r.round
    LEFT JOIN followed AS b ON a.round = b.round AND a.agency_id = b.agency_id
    LEFT JOIN frameworks AS f ON a.framework_version = f.framework_version
    LEFT JOIN dim_agency_history AS h
        ON a.agency_id = h.agency_id AND r.ended_on >= h.valid_from AND r.ended_on < h.valid_before
)

SELECT
    round,
    agency_id,
    web_presence,
    CASE
        WHEN web_presence IS NOT NULL THEN 'value'
        WHEN NOT asks_web_presence THEN 'not_applicable'
        ELSE 'not_provided'
    END AS web_presence_status,
    interactive,
    CASE
        WHEN interactive IS NOT NULL THEN 'value' WHEN NOT asks_interactive THEN 'not_applicable' ELSE 'not_provided'
    END AS interactive_status,
    transactional,
    CASE
        WHEN transactional IS NOT NULL THEN 'value'
        WHEN NOT asks_transactional THEN 'not_applicable'
        ELSE 'not_provided'
    END AS transactional_status,
    integration,
    CASE
        WHEN integration IS NOT NULL THEN 'value' WHEN NOT asks_integration THEN 'not_applicable' ELSE 'not_provided'
    END AS integration_status,
    participation,
    CASE
        WHEN participation IS NOT NULL THEN 'value'
        WHEN NOT asks_participation THEN 'not_applicable'
        ELSE 'not_provided'
    END AS participation_status,
    score,
    IF(score IS NULL, 'not_provided', 'value') AS score_status,
    IF(is_ranked, place, NULL) AS rank,
    CASE
        WHEN is_ranked THEN 'value' WHEN scope_flag = 'web_presence_only' THEN 'not_applicable' ELSE 'not_provided'
    END AS rank_status,
    population,
    'value' AS population_status,
    scope_flag,
    IF(growth_status = 'value' AND previous_score > 0, 100 * (score / previous_score - 1), NULL) AS growth_pct,
    IF(growth_status = 'value' AND previous_score = 0, 'not_applicable', growth_status) AS growth_pct_status,
    IF(growth_status = 'value', score - previous_score, NULL) AS growth_points,
    growth_status AS growth_points_status,
    IF(growth_status = 'value' AND previous_score > 0, score / previous_score, NULL) AS ratio,
    IF(growth_status = 'value' AND previous_score = 0, 'not_applicable', growth_status) AS ratio_status,
    field_score,
    CASE
        WHEN field_score IS NOT NULL THEN 'value' WHEN has_field THEN 'not_provided' ELSE 'not_applicable'
    END AS field_score_status,
    previous_round,
    scope_reason,
    framework_version,
    assessed_from,
    assessed_to,
    release_on,
    id_confirmed_on,
    1 AS metric_version
FROM compared
