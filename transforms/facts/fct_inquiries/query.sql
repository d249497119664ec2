-- Inquiries between agencies, as their earliest event tells them.
--
-- Definition   an inquiry is (answering agency, inquiry_id); its earliest event counts, by time, then event id
-- Grain        one row per (agency_id, inquiry_id)
-- Counts       counterpart, mode and months of that one event
-- Leaves out   what stg_inquiries leaves out
-- Not          a count of events: an answer sent twice under two ids is one inquiry
SELECT
    agency_id,
    inquiry_id,
    counterpart_agency_id,
    mode,
    jalali_no,
    gregorian_no
FROM stg_inquiries
QUALIFY ROW_NUMBER() OVER (PARTITION BY agency_id, inquiry_id ORDER BY occurred_at, event_id, source) = 1
