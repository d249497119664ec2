-- The scores in force: what the evaluator sent last, and what the catalogue's file says where nothing was sent.
--
-- Definition   the latest score of its key (by time, then event id); a score of the stream goes before one of the file
-- Grain        one row per (round, framework_version, agency_id, indicator, method); the framework may be blank
-- Counts       a score without a method as a desk review, the usual one; a score that is absent as not provided (NULL)
-- Leaves out   retracted scores, and those that a later one of the same key replaced
-- Not          an average or a rank: see agency_ranking
WITH said AS (
    SELECT
        e.round,
        e.framework_version,
        e.agency_id,
        e.indicator,
        COALESCE(e.method, 'desk') AS method,
        e.score,
        e.scope,
        e.scope_reason,
        e.assessed_from,
        e.assessed_to,
        e.release_on,
        e.evaluator,
        TRUE AS is_streamed,
        e.occurred_at,
        e.event_id,
        e.source
    FROM fct_assessment_events AS e
    WHERE
        NOT EXISTS (
            SELECT 1 FROM fct_retractions AS r
            WHERE r.source = e.source AND r.event_id = e.event_id
        )
    UNION ALL
    SELECT
        round,
        framework_version,
        agency_id,
        indicator,
        COALESCE(method, 'desk') AS method,
        score,
        scope,
        scope_reason,
        assessed_from,
        assessed_to,
        release_on,
        evaluator,
        FALSE AS is_streamed,
        NULL AS occurred_at,
        method AS event_id,
        NULL AS source
    FROM dim_assessment
)

SELECT
    round,
    framework_version,
    agency_id,
    indicator,
    method,
    score,
    scope,
    scope_reason,
    assessed_from,
    assessed_to,
    release_on,
    evaluator,
    is_streamed
FROM said
QUALIFY
    ROW_NUMBER() OVER (
        PARTITION BY round, framework_version, agency_id, indicator, method
        ORDER BY is_streamed DESC, occurred_at DESC, event_id DESC NULLS LAST, source DESC
    ) = 1
