-- Sessions: visits told by events that carry a person but no visit_id.
--
-- Definition   per (agency, person, channel) a new session starts after a gap of more than 30 minutes, or when 24 hours
--              have passed since the session's first event
-- Grain        one row per session: (agency_id, user_no, channel, started_at)
-- Counts       month and place of its first event, by time, then event id; never cut at midnight or at a month's end
-- Leaves out   events with a visit_id (fct_visits); events with neither id nor person: those make no visit
-- Not          a new session at a gap of exactly 30 minutes
WITH RECURSIVE ordered AS (
    SELECT
        *,
        EPOCH_US(occurred_at) AS moment,
        ROW_NUMBER() OVER one_person AS place_in_line,
        LAG(EPOCH_US(occurred_at)) OVER one_person AS moment_before
    FROM stg_events
    WHERE visit_id IS NULL AND user_no IS NOT NULL
    WINDOW one_person AS (PARTITION BY agency_id, user_no, channel ORDER BY occurred_at, event_id, source)
),

-- A run has no gap above 30 minutes.
runs AS (
    SELECT
        *,
        COUNT(*) FILTER (WHERE moment_before IS NULL OR moment - moment_before > 30 * 60 * 1000000) OVER (
            PARTITION BY agency_id, user_no, channel ORDER BY place_in_line
        ) AS run_no
    FROM ordered
),

run_ends AS (
    SELECT
        agency_id,
        user_no,
        channel,
        run_no,
        MIN(moment) AS first_moment,
        MAX(moment) AS last_moment
    FROM runs
    GROUP BY agency_id, user_no, channel, run_no
),

-- Within a run only the 24 hours cut; each cut depends on the one before it.
starts AS (
    SELECT
        agency_id,
        user_no,
        channel,
        run_no,
        first_moment AS moment,
        last_moment
    FROM run_ends
    UNION ALL
    SELECT
        s.agency_id,
        s.user_no,
        s.channel,
        s.run_no,
        MIN(r.moment) AS moment,
        s.last_moment
    FROM starts AS s
    INNER JOIN runs AS r
        ON
            s.agency_id = r.agency_id
            AND s.user_no = r.user_no
            AND s.channel = r.channel
            AND s.run_no = r.run_no
            AND r.moment >= s.moment + 24 * 60 * 60 * 1000000::BIGINT
    WHERE s.last_moment >= s.moment + 24 * 60 * 60 * 1000000::BIGINT
    GROUP BY s.agency_id, s.user_no, s.channel, s.run_no, s.last_moment
)

SELECT
    r.agency_id,
    r.user_no,
    r.channel,
    r.occurred_at AS started_at,
    r.jalali_no,
    r.gregorian_no,
    'IR' AS nation,
    r.province,
    r.county,
    r.district,
    r.ministry_id
FROM runs AS r
INNER JOIN starts AS s
    ON
        r.agency_id = s.agency_id
        AND r.user_no = s.user_no
        AND r.channel = s.channel
        AND r.run_no = s.run_no
        AND r.moment = s.moment
QUALIFY ROW_NUMBER() OVER (PARTITION BY r.agency_id, r.user_no, r.channel, r.moment ORDER BY r.place_in_line) = 1
