-- The month in which each person was first seen, per scope and channel.
--
-- Definition   the earliest counted event of the key in that scope and channel; 'all' is computed over all channels
-- Grain        one row per (scope, scope_id, channel, user_no)
-- Counts       both calendars' months of the earliest events
-- Not          a registration act
WITH first_months AS (
    SELECT
        CASE
            WHEN GROUPING(province) = 0 THEN 'province'
            WHEN GROUPING(county) = 0 THEN 'county'
            WHEN GROUPING(district) = 0 THEN 'district'
            WHEN GROUPING(ministry_id) = 0 THEN 'ministry'
            WHEN GROUPING(agency_id) = 0 THEN 'agency'
            WHEN GROUPING(service_id) = 0 THEN 'service'
            ELSE 'national'
        END AS scope,
        CASE
            WHEN GROUPING(province) = 0 THEN province
            WHEN GROUPING(county) = 0 THEN county
            WHEN GROUPING(district) = 0 THEN district
            WHEN GROUPING(ministry_id) = 0 THEN ministry_id
            WHEN GROUPING(agency_id) = 0 THEN agency_id
            WHEN GROUPING(service_id) = 0 THEN service_id
            ELSE 'IR'
        END AS scope_id,
        CASE WHEN GROUPING(channel) = 1 THEN 'all' ELSE channel END AS channel,
        user_no,
        MIN(jalali_no) AS jalali_no,
        MIN(gregorian_no) AS gregorian_no
    FROM stg_user_activity
    GROUP BY GROUPING SETS (
        (user_no),
        (user_no, channel),
        (user_no, province),
        (user_no, province, channel),
        (user_no, county),
        (user_no, county, channel),
        (user_no, district),
        (user_no, district, channel),
        (user_no, ministry_id),
        (user_no, ministry_id, channel),
        (user_no, agency_id),
        (user_no, agency_id, channel),
        (user_no, service_id),
        (user_no, service_id, channel)
    )
)

SELECT *
FROM first_months
WHERE scope_id IS NOT NULL
