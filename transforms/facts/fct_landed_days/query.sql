-- How many events of each source, Tehran day and type are in the lake.
--
-- Definition   rows of lake/events by the Tehran day of their own time
-- Grain        one row per (agency_id, source, day, event_type)
-- Counts       every landed row, tests, retracted events and held batches included: what a control total speaks of.
--              id_xor is the XOR of the first 64 bits of SHA-256 over each event id: what an id_checksum speaks of
-- Leaves out   duplicates (landing keeps one), rejections, batches not judged yet
-- Not          counted events
SELECT
    agency_id,
    source,
    day,
    event_type,
    COUNT(*) AS landed,
    MAX(occurred_at) AS newest_at,
    BIT_XOR(CAST('0x' || LEFT(SHA256(event_id), 16) AS UBIGINT)) AS id_xor
FROM stg_landed
GROUP BY agency_id, source, day, event_type
