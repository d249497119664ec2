-- From which month to which month a cell has rows.
--
-- Definition   first_no: the month of the cell's first counted event; last_no: the latest month with any counted event of
--              its (scope, scope_id), in whatever channel
-- Grain        one row per (calendar, scope, scope_id, channel)
-- Not          widened by declarations: a declared month without events has a row of its own
WITH cells AS (
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
        MIN(jalali_no) AS jalali_first,
        MAX(jalali_no) AS jalali_last,
        MIN(gregorian_no) AS gregorian_first,
        MAX(gregorian_no) AS gregorian_last
    FROM fct_activity
    GROUP BY GROUPING SETS (
        (),
        (channel),
        (province),
        (province, channel),
        (county),
        (county, channel),
        (district),
        (district, channel),
        (ministry_id),
        (ministry_id, channel),
        (agency_id),
        (agency_id, channel),
        (service_id),
        (service_id, channel)
    )
),

spans AS (
    SELECT
        'jalali' AS calendar,
        scope,
        scope_id,
        channel,
        jalali_first AS first_no,
        jalali_last AS last_no
    FROM cells
    UNION ALL
    SELECT
        'gregorian' AS calendar,
        scope,
        scope_id,
        channel,
        gregorian_first AS first_no,
        gregorian_last AS last_no
    FROM cells
)

SELECT
    calendar,
    scope,
    scope_id,
    channel,
    first_no,
    MAX(last_no) OVER (PARTITION BY calendar, scope, scope_id) AS last_no
FROM spans
WHERE scope_id IS NOT NULL AND first_no IS NOT NULL
