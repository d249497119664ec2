-- What the rows of the facts tell, once for every scope in which they count.
--
-- Definition   a row counts in the nation, province, county, district, ministry, agency and service that it names
-- Grain        one row per row of stg_told and scope
-- Leaves out   scopes that the row does not name
-- Not          a guess: nothing is filled in from the agency
SELECT
    'national' AS scope,
    nation AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE nation IS NOT NULL
UNION ALL
SELECT
    'province' AS scope,
    province AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE province IS NOT NULL
UNION ALL
SELECT
    'county' AS scope,
    county AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE county IS NOT NULL
UNION ALL
SELECT
    'district' AS scope,
    district AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE district IS NOT NULL
UNION ALL
SELECT
    'ministry' AS scope,
    ministry_id AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE ministry_id IS NOT NULL
UNION ALL
SELECT
    'agency' AS scope,
    agency_id AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE agency_id IS NOT NULL
UNION ALL
SELECT
    'service' AS scope,
    service_id AS scope_id,
    user_no,
    jalali_no,
    gregorian_no,
    channel,
    events,
    seen,
    completed
FROM stg_told
WHERE service_id IS NOT NULL
