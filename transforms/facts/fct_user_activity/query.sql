-- Who was active when, where and through which channel.
--
-- Definition   counted events with a person key
-- Grain        one row per (user_no, jalali_no, gregorian_no) and every combination of channel and scopes seen
-- Counts       events; additive, so a change is added or taken off
-- Leaves out   events without a key: they count as transactions, not as users
-- Not          additive over rows as people: count distinct user_no
SELECT
    jalali_no,
    gregorian_no,
    user_no,
    channel,
    province,
    county,
    district,
    ministry_id,
    agency_id,
    service_id,
    COUNT(*) AS events
FROM stg_events
WHERE user_no IS NOT NULL
GROUP BY
    jalali_no,
    gregorian_no,
    user_no,
    channel,
    province,
    county,
    district,
    ministry_id,
    agency_id,
    service_id
