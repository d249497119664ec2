-- How many events an agency says it has, per source, Tehran day and type.
--
-- Definition   the latest total said, by time, then event id
-- Grain        one row per (source, day, event_type)
-- Leaves out   retracted totals: the one before them holds again
-- Not          what landed; no row means that no total was said, which is not zero
SELECT
    agency_id,
    source,
    day,
    event_type,
    control_total,
    id_checksum,
    occurred_at AS said_at
FROM fct_control_total_events
QUALIFY ROW_NUMBER() OVER (PARTITION BY source, day, event_type ORDER BY occurred_at DESC, event_id DESC) = 1
