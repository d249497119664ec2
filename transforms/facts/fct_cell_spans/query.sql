-- From which month to which month a cell has rows.
--
-- Definition   first_no: the month of the cell's first counted event; last_no: the latest month with any counted event of
--              its (scope, scope_id), in whatever channel
-- Grain        one row per (calendar, scope, scope_id, channel)
-- Not          widened by declarations: a declared month without events has a row of its own
WITH months AS (
    SELECT DISTINCT
        'jalali' AS calendar,
        jalali_no AS month_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id
    FROM fct_activity
    UNION ALL
    SELECT DISTINCT
        'gregorian' AS calendar,
        gregorian_no AS month_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id
    FROM fct_activity
),

cells AS (
    SELECT
        calendar,
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
        MIN(month_no) AS first_no,
        MAX(month_no) AS last_no
    FROM months
    GROUP BY GROUPING SETS (
        (calendar),
        (calendar, channel),
        (calendar, province),
        (calendar, province, channel),
        (calendar, county),
        (calendar, county, channel),
        (calendar, district),
        (calendar, district, channel),
        (calendar, ministry_id),
        (calendar, ministry_id, channel),
        (calendar, agency_id),
        (calendar, agency_id, channel),
        (calendar, service_id),
        (calendar, service_id, channel)
    )
)

SELECT
    calendar,
    scope,
    scope_id,
    channel,
    first_no,
    MAX(last_no) OVER (PARTITION BY calendar, scope, scope_id) AS last_no
FROM cells
WHERE scope_id IS NOT NULL
