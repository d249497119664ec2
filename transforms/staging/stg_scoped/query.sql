-- What the rows of the facts tell, once for every scope in which they count.
--
-- Definition   a row counts in the nation, province, county, district, ministry, agency and service that it names
-- Grain        one row per row of stg_told and scope
-- Leaves out   scopes that the row does not name
-- Not          a guess: nothing is filled in from the agency
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.nation = s.scope_id AND s.scope = 'national'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.province = s.scope_id AND s.scope = 'province'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.county = s.scope_id AND s.scope = 'county'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.district = s.scope_id AND s.scope = 'district'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.ministry_id = s.scope_id AND s.scope = 'ministry'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.agency_id = s.scope_id AND s.scope = 'agency'
UNION ALL
SELECT
    s.scope,
    s.scope_no,
    t.user_no,
    t.jalali_no,
    t.gregorian_no,
    t.channel,
    t.events,
    t.seen,
    t.completed
FROM stg_told AS t
INNER JOIN fct_scopes AS s ON t.service_id = s.scope_id AND s.scope = 'service'
