-- Each agency's connection to the national window and what landed of it, day by day.
--
-- Definition   state machine, first line that holds. "Word" is the latest heartbeat that says whether the agency is on the
--              window; 7 days are the day and the six before it; thresholds are ours and belong to version 1:
--              never said to be on the window:
--                connecting     the word is "no" and at most 30 days old              (not_on_window)
--                never          no word, or an older one       (no_heartbeat, not_told, silent)
--              said so once or more:
--                disconnected   the word is "no"                                      (left_window)
--                               the word is more than 30 days old                     (silent)
--                standard_lost  the latest heartbeat's contract is of an older major version than 1 (old_contract)
--                               of 20 records or more in 7 days, 50 % or more rejected  (contract_failures)
--                degraded       of 20 records or more in 7 days, 5 % or more rejected (contract_failures)
--                               completeness of 7 days below 0.95                     (incomplete)
--                               the word is 15 to 30 days old                         (late_heartbeat)
--                connected      none of these                                         (on_window)
-- Grain        one row per (agency_id, Tehran day): from the agency's first sign (event, total, rejection; or the first day
--              on which it is expected to report, not before the lake's first day) to the lake's last day or its own;
--              none while nothing at all has landed
-- Counts       landed: rows of that day about users and inquiries (no heartbeat, total or declaration), held, test and
--              retracted ones included. It is 0 only where something else of that day landed or a total was said:
--              silent is not zero. completeness = landed_of_total / control_total, of what has a total.
--              rejected, arrived, failure_rate: records by their day of arrival, the 7 days; not applicable where none
--              arrived (history sent later arrived later). checksum_matches: NULL where no checksum was sent, else whether
--              all of the day's checksums are those of what landed
-- Leaves out   the evaluator's stream; days after the agency's last valid day
-- Not          a judgement on the gate: a held batch has landed. Late arrivals change old days
WITH landed_days AS (
    SELECT
        agency_id,
        day,
        SUM(landed) FILTER (WHERE NOT STARTS_WITH(event_type, 'ir.egov.agency.')) AS landed
    FROM fct_landed_days
    WHERE STARTS_WITH(source, '/agencies/')
    GROUP BY agency_id, day
),

total_days AS (
    SELECT
        t.agency_id,
        t.day,
        SUM(t.control_total) AS control_total,
        SUM(COALESCE(l.landed, 0)) AS landed_of_total,
        BOOL_AND(LEFT(t.id_checksum, 16) = PRINTF('%016x', COALESCE(l.id_xor, 0))) AS checksum_matches
    FROM fct_control_totals AS t
    LEFT JOIN fct_landed_days AS l
        ON t.agency_id = l.agency_id AND t.source = l.source AND t.day = l.day AND t.event_type = l.event_type
    GROUP BY t.agency_id, t.day
),

heartbeat_days AS (
    SELECT
        agency_id,
        day,
        MAX(occurred_at) AS heartbeat_at,
        ARG_MAX(contract_version, ROW(occurred_at, event_id, source)) AS contract_version,
        ARG_MAX(window_connected, ROW(occurred_at, event_id, source))
            FILTER (WHERE window_connected IS NOT NULL) AS word,
        BOOL_OR(window_connected) AS said_connected
    FROM fct_heartbeats
    GROUP BY agency_id, day
),

lake AS (
    SELECT
        MIN(day) AS first_day,
        MAX(day) AS last_day
    FROM landed_days
),

signs AS (
    SELECT
        agency_id,
        day
    FROM landed_days
    UNION ALL
    SELECT
        agency_id,
        day
    FROM total_days
    UNION ALL
    SELECT
        agency_id,
        day
    FROM fct_rejected_days
    WHERE agency_id <> 'evaluator'
    UNION ALL
    SELECT
        a.agency_id,
        GREATEST(a.valid_from, lake.first_day) AS day
    FROM dim_agency_history AS a
    CROSS JOIN lake
    WHERE a.expected_to_report AND a.valid_before > lake.first_day
),

ends AS (
    SELECT
        agency_id,
        MAX(valid_before) AS valid_before
    FROM dim_agency_history
    GROUP BY agency_id
),

spans AS (
    SELECT
        s.agency_id,
        MIN(s.day) AS first_day,
        LEAST(ANY_VALUE(lake.last_day), COALESCE(ANY_VALUE(e.valid_before) - 1, ANY_VALUE(lake.last_day))) AS last_day
    FROM signs AS s
    CROSS JOIN lake
    LEFT JOIN ends AS e ON s.agency_id = e.agency_id
    -- LEAST passes over NULL: where nothing landed yet, a sign would be followed to the end of all days.
    WHERE lake.last_day IS NOT NULL
    GROUP BY s.agency_id
),

agency_days AS (
    SELECT
        agency_id,
        first_day + CAST(UNNEST(RANGE(last_day - first_day + 1)) AS INTEGER) AS day
    FROM spans
),

told AS (
    SELECT
        d.agency_id,
        d.day,
        l.agency_id IS NOT NULL OR t.agency_id IS NOT NULL AS is_heard,
        COALESCE(l.landed, 0) AS landed,
        t.control_total,
        t.landed_of_total,
        t.checksum_matches,
        SUM(t.control_total) OVER week AS week_total,
        SUM(t.landed_of_total) OVER week AS week_landed,
        COALESCE(SUM(r.rejected) OVER week, 0) AS rejected,
        COALESCE(SUM(a.accepted) OVER week, 0) + COALESCE(SUM(r.rejected) OVER week, 0) AS arrived,
        MAX(h.heartbeat_at) OVER so_far AS last_heartbeat_at,
        LAST_VALUE(h.contract_version IGNORE NULLS) OVER so_far AS contract_version,
        LAST_VALUE(h.word IGNORE NULLS) OVER so_far AS word,
        d.day - MAX(CASE WHEN h.word IS NOT NULL THEN d.day END) OVER so_far AS word_age,
        COALESCE(BOOL_OR(h.said_connected) OVER so_far, FALSE) AS was_connected
    FROM agency_days AS d
    LEFT JOIN landed_days AS l ON d.agency_id = l.agency_id AND d.day = l.day
    LEFT JOIN total_days AS t ON d.agency_id = t.agency_id AND d.day = t.day
    LEFT JOIN heartbeat_days AS h ON d.agency_id = h.agency_id AND d.day = h.day
    LEFT JOIN fct_arrived_days AS a ON d.agency_id = a.agency_id AND d.day = a.day
    LEFT JOIN fct_rejected_days AS r ON d.agency_id = r.agency_id AND d.day = r.day
    WINDOW
        so_far AS (PARTITION BY d.agency_id ORDER BY d.day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        week AS (PARTITION BY d.agency_id ORDER BY d.day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
),

judged AS (
    SELECT
        *,
        CASE
            WHEN NOT was_connected AND NOT word AND word_age <= 30 THEN 'connecting: not_on_window'
            WHEN NOT was_connected AND last_heartbeat_at IS NULL THEN 'never: no_heartbeat'
            WHEN NOT was_connected AND word IS NULL THEN 'never: not_told'
            WHEN NOT was_connected THEN 'never: silent'
            WHEN NOT word THEN 'disconnected: left_window'
            WHEN word_age > 30 THEN 'disconnected: silent'
            WHEN CAST(SPLIT_PART(contract_version, '.', 1) AS INTEGER) < 1 THEN 'standard_lost: old_contract'
            WHEN arrived >= 20 AND rejected >= 0.50 * arrived THEN 'standard_lost: contract_failures'
            WHEN arrived >= 20 AND rejected >= 0.05 * arrived THEN 'degraded: contract_failures'
            WHEN week_landed < 0.95 * week_total THEN 'degraded: incomplete'
            WHEN word_age >= 15 THEN 'degraded: late_heartbeat'
            ELSE 'connected: on_window'
        END AS verdict
    FROM told
),

turns AS (
    SELECT
        *,
        SPLIT_PART(verdict, ': ', 1) AS connection_state,
        SPLIT_PART(verdict, ': ', 2) AS reason,
        COALESCE(
            SPLIT_PART(verdict, ': ', 1) <> SPLIT_PART(LAG(verdict) OVER by_day, ': ', 1), TRUE
        ) AS is_turn
    FROM judged
    WINDOW by_day AS (PARTITION BY agency_id ORDER BY day)
)

SELECT
    agency_id,
    day,
    connection_state,
    MAX(CASE WHEN is_turn THEN day END) OVER (
        PARTITION BY agency_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS since,
    reason,
    CASE WHEN is_heard THEN landed END AS landed,
    CASE WHEN is_heard THEN 'value' ELSE 'not_provided' END AS landed_status,
    control_total,
    CASE WHEN control_total IS NULL THEN 'not_provided' ELSE 'value' END AS control_total_status,
    landed_of_total,
    CASE WHEN control_total IS NULL THEN 'not_provided' ELSE 'value' END AS landed_of_total_status,
    CASE WHEN control_total > 0 THEN landed_of_total / control_total END AS completeness,
    CASE
        WHEN control_total IS NULL THEN 'not_provided'
        WHEN control_total = 0 THEN 'not_applicable'
        ELSE 'value'
    END AS completeness_status,
    checksum_matches,
    CASE WHEN arrived > 0 THEN rejected END AS rejected,
    CASE WHEN arrived > 0 THEN 'value' ELSE 'not_applicable' END AS rejected_status,
    CASE WHEN arrived > 0 THEN arrived END AS arrived,
    CASE WHEN arrived > 0 THEN 'value' ELSE 'not_applicable' END AS arrived_status,
    CASE WHEN arrived > 0 THEN rejected / arrived END AS failure_rate,
    CASE WHEN arrived > 0 THEN 'value' ELSE 'not_applicable' END AS failure_rate_status,
    last_heartbeat_at,
    1 AS metric_version
FROM turns
