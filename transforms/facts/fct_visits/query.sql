-- Visits that carry a visit_id, with the scopes each one counts in.
--
-- Definition   outside the national window a visit is (agency, visit_id). The window issues its ids and agencies repeat them:
--              there a visit is the visit_id alone for nation and places, (agency, visit_id) for agency rows and
--              (ministry, visit_id) for ministry rows
-- Grain        one row per (counted_in, owner_id, visit_id); a scope column is NULL where the row does not count
-- Counts       month, channel and place of its first event, by time, then event id; the first person named
-- Leaves out   events without a visit_id: see fct_sessions
-- Not          additive over agencies: a window visit repeated by three agencies is three agency rows, one national
--
-- Nearly every visit has one event, and needs no ordering. Of nearly every other one the time alone tells which event came
-- first, and either all its events name a person or none. Hashes find the rest, which are put in order whole: where two
-- visits share a hash they are told apart below.
WITH several AS (
    SELECT HASH(visit_id) AS visit_hash
    FROM stg_events
    WHERE visit_id IS NOT NULL
    GROUP BY visit_hash
    HAVING COUNT(*) > 1
),

ways (counted_in, is_window) AS (
    VALUES ('everywhere', FALSE), ('places', TRUE), ('agency', TRUE), ('ministry', TRUE)
),

entities AS NOT MATERIALIZED (
    SELECT
        w.counted_in,
        CASE w.counted_in WHEN 'places' THEN '' WHEN 'ministry' THEN e.ministry_id ELSE e.agency_id END AS owner_id,
        e.*
    FROM stg_events AS e
    INNER JOIN ways AS w ON (e.channel = 'national_window') = w.is_window
    WHERE e.visit_id IS NOT NULL AND (w.counted_in <> 'ministry' OR e.ministry_id IS NOT NULL)
),

repeated AS MATERIALIZED (
    SELECT *
    FROM entities
    WHERE HASH(visit_id) IN (SELECT visit_hash FROM several)
),

instants AS (
    SELECT
        HASH(counted_in, owner_id, visit_id) AS visit_hash,
        COUNT(*) AS events,
        COUNT(user_no) AS with_person
    FROM repeated
    GROUP BY visit_hash, occurred_at
),

unclear AS (
    SELECT visit_hash
    FROM instants
    GROUP BY visit_hash
    HAVING MAX(events) > 1 OR SUM(with_person) NOT IN (0, SUM(events))
),

first_events AS (
    SELECT
        *,
        user_no AS first_user_no
    FROM entities
    WHERE HASH(visit_id) NOT IN (SELECT visit_hash FROM several)
    UNION ALL
    SELECT
        *,
        user_no AS first_user_no
    FROM repeated
    WHERE HASH(counted_in, owner_id, visit_id) NOT IN (SELECT visit_hash FROM unclear)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY counted_in, owner_id, visit_id ORDER BY occurred_at) = 1
    UNION ALL
    SELECT
        *,
        FIRST_VALUE(user_no IGNORE NULLS) OVER (
            PARTITION BY counted_in, owner_id, visit_id
            ORDER BY occurred_at, event_id, source
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS first_user_no
    FROM repeated
    WHERE HASH(counted_in, owner_id, visit_id) IN (SELECT visit_hash FROM unclear)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY counted_in, owner_id, visit_id ORDER BY occurred_at, event_id, source) = 1
)

SELECT
    counted_in,
    owner_id,
    visit_id,
    occurred_at AS started_at,
    jalali_no,
    gregorian_no,
    first_user_no AS user_no,
    channel,
    CASE WHEN counted_in IN ('everywhere', 'places') THEN 'IR' END AS nation,
    CASE WHEN counted_in IN ('everywhere', 'places') THEN province END AS province,
    CASE WHEN counted_in IN ('everywhere', 'places') THEN county END AS county,
    CASE WHEN counted_in IN ('everywhere', 'places') THEN district END AS district,
    CASE WHEN counted_in IN ('everywhere', 'ministry') THEN ministry_id END AS ministry_id,
    CASE WHEN counted_in IN ('everywhere', 'agency') THEN agency_id END AS agency_id
FROM first_events
