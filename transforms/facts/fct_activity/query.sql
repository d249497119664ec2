-- Counted events per month and place of counting: which cells live, and since when.
--
-- Definition   counted events of the three types
-- Grain        one row per (jalali_no, gregorian_no) and every combination of channel and scopes seen
-- Counts       events, with or without a person; additive, so a change is added or taken off
-- Not          transactions or visits
SELECT
    jalali_no,
    gregorian_no,
    channel,
    province,
    county,
    district,
    ministry_id,
    agency_id,
    service_id,
    COUNT(*) AS events
FROM stg_events
GROUP BY
    jalali_no,
    gregorian_no,
    channel,
    province,
    county,
    district,
    ministry_id,
    agency_id,
    service_id
