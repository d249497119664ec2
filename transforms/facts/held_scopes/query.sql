-- Which months of which scopes miss a batch that the gate holds.
--
-- Definition   scopes of the events that would count if the batch were released; of an inquiry, its agency's
-- Grain        one row per (calendar, month, scope, scope_id, agency_id)
-- Counts       batches whose latest verdict is held
-- Leaves out   batches not judged yet, tests, retracted events
-- Not          a count of what is missing
WITH scoped AS (
    SELECT
        jalali_no,
        gregorian_no,
        agency_id,
        UNNEST([
            {'scope': 'national', 'scope_id': 'IR'},
            {'scope': 'province', 'scope_id': province},
            {'scope': 'county', 'scope_id': county},
            {'scope': 'district', 'scope_id': district},
            {'scope': 'ministry', 'scope_id': ministry_id},
            {'scope': 'agency', 'scope_id': agency_id},
            {'scope': 'service', 'scope_id': service_id}
        ]) AS place
    FROM stg_held
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        agency_id,
        {'scope': 'agency', 'scope_id': agency_id} AS place
    FROM stg_held_inquiries
)

SELECT DISTINCT
    m.calendar,
    m.month,
    s.place.scope AS scope,
    s.place.scope_id AS scope_id,
    s.agency_id
FROM scoped AS s
INNER JOIN dim_month AS m
    ON
        (m.calendar = 'jalali' AND s.jalali_no = m.month_no)
        OR (m.calendar = 'gregorian' AND s.gregorian_no = m.month_no)
WHERE s.place.scope_id IS NOT NULL
