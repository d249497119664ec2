-- Why the completed transactions of a month differ from those of the month before.
--
-- Definition   change = completed - completed_before, parted by who completed it. coverage: agencies that were heard (a
--              counted event anywhere) in one of the two months alone. catalogue: of the others, services that were on
--              offer in one of the two months alone, and in a ministry the agencies that joined or left it. definition:
--              the month before by today's definition less the same by the definition before (version_before). real: the
--              rest, which is the same agencies offering the same services under the same definition
-- Grain        one row per (calendar, month, scope, scope_id); nation, provinces and ministries, from their second month on
-- Counts       what monthly_transactions counts, channel all
-- Leaves out   months of which one has declared figures alone
-- Not          a forecast or a season: compare with the same month of the year before for that. There is one definition of
--              monthly_transactions so far; when version 2 stands beside it, earlier_definition reads version 1
WITH completions AS (
    SELECT
        jalali_no,
        gregorian_no,
        province,
        ministry_id,
        agency_id,
        service_id,
        user_no,
        1 AS completed
    FROM fct_transactions
    WHERE kind = 'completed'
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        province,
        ministry_id,
        agency_id,
        service_id,
        user_no,
        0 AS completed
    FROM fct_person_months
    WHERE did = 'completed'
),

counted AS (
    SELECT
        'jalali' AS calendar,
        jalali_no AS month_no,
        province,
        ministry_id,
        agency_id,
        service_id,
        SUM(completed) AS completed,
        COUNT(DISTINCT user_no) AS persons
    FROM completions
    GROUP BY jalali_no, province, ministry_id, agency_id, service_id
    HAVING SUM(completed) > 0
    UNION ALL
    SELECT
        'gregorian' AS calendar,
        gregorian_no AS month_no,
        province,
        ministry_id,
        agency_id,
        service_id,
        SUM(completed) AS completed,
        COUNT(DISTINCT user_no) AS persons
    FROM completions
    GROUP BY gregorian_no, province, ministry_id, agency_id, service_id
    HAVING SUM(completed) > 0
),

scoped AS (
    SELECT
        calendar,
        month_no,
        agency_id,
        service_id,
        completed,
        persons,
        UNNEST([
            {'scope': 'national', 'scope_id': 'IR'},
            {'scope': 'province', 'scope_id': province},
            {'scope': 'ministry', 'scope_id': ministry_id}
        ]) AS place
    FROM counted
),

-- persons: at least so many, because the cells that are added up may share them.
placed AS (
    SELECT
        calendar,
        month_no,
        place.scope AS scope,
        place.scope_id AS scope_id,
        agency_id,
        service_id,
        SUM(completed) AS completed,
        MAX(persons) AS persons
    FROM scoped
    WHERE place.scope_id IS NOT NULL
    GROUP BY calendar, month_no, place.scope, place.scope_id, agency_id, service_id
),

moved AS (
    SELECT
        calendar,
        month_no,
        scope,
        scope_id,
        agency_id,
        service_id,
        SUM(completed) AS change,
        MAX(persons) AS persons
    FROM (
        SELECT * FROM placed
        UNION ALL
        SELECT * REPLACE (month_no + 1 AS month_no, -completed AS completed) FROM placed
    ) AS both_months
    GROUP BY calendar, month_no, scope, scope_id, agency_id, service_id
),

heard AS (
    SELECT DISTINCT
        'jalali' AS calendar,
        jalali_no AS month_no,
        agency_id
    FROM fct_activity
    UNION ALL
    SELECT DISTINCT
        'gregorian' AS calendar,
        gregorian_no AS month_no,
        agency_id
    FROM fct_activity
),

offered AS (
    SELECT DISTINCT
        m.calendar,
        m.month_no,
        s.service_id
    FROM dim_service_history AS s
    INNER JOIN dim_month AS m ON s.valid_from < m.month_start + m.days AND s.valid_before > m.month_start
    WHERE
        COALESCE(s.lifecycle, 'live') IN ('live', 'launching')
        AND COALESCE(s.launched_at < m.month_start + m.days, TRUE)
        AND s.service_id IN (SELECT c.service_id FROM counted AS c)
),

belonging AS (
    SELECT DISTINCT
        m.calendar,
        m.month_no,
        a.agency_id,
        a.ministry_id
    FROM dim_agency_ministry AS a
    INNER JOIN dim_month AS m ON a.valid_from < m.month_start + m.days AND a.valid_before > m.month_start
    WHERE a.agency_id IN (SELECT c.agency_id FROM counted AS c)
),

parted AS (
    SELECT
        c.*,
        CASE
            WHEN (h.agency_id IS NULL) <> (hb.agency_id IS NULL) THEN 'coverage'
            WHEN (o.service_id IS NULL) <> (ob.service_id IS NULL) THEN 'catalogue'
            WHEN c.scope = 'ministry' AND (b.agency_id IS NULL) <> (bb.agency_id IS NULL) THEN 'catalogue'
            ELSE 'real'
        END AS part
    FROM moved AS c
    LEFT JOIN heard AS h ON c.calendar = h.calendar AND c.month_no = h.month_no AND c.agency_id = h.agency_id
    LEFT JOIN heard AS hb ON c.calendar = hb.calendar AND c.month_no - 1 = hb.month_no AND c.agency_id = hb.agency_id
    LEFT JOIN offered AS o ON c.calendar = o.calendar AND c.month_no = o.month_no AND c.service_id = o.service_id
    LEFT JOIN offered AS ob ON c.calendar = ob.calendar AND c.month_no - 1 = ob.month_no AND c.service_id = ob.service_id
    LEFT JOIN belonging AS b
        ON c.calendar = b.calendar AND c.month_no = b.month_no AND c.agency_id = b.agency_id AND c.scope_id = b.ministry_id
    LEFT JOIN belonging AS bb
        ON
            c.calendar = bb.calendar AND c.month_no - 1 = bb.month_no AND c.agency_id = bb.agency_id
            AND c.scope_id = bb.ministry_id
),

parts AS (
    SELECT
        calendar,
        month_no,
        scope,
        scope_id,
        SUM(change) FILTER (WHERE part = 'real') AS real_change,
        SUM(change) FILTER (WHERE part = 'coverage') AS coverage_change,
        SUM(change) FILTER (WHERE part = 'catalogue') AS catalogue_change,
        LEAST(
            MAX(persons) FILTER (WHERE part = 'real'),
            MAX(persons) FILTER (WHERE part = 'coverage'),
            MAX(persons) FILTER (WHERE part = 'catalogue')
        ) AS persons
    FROM parted
    GROUP BY calendar, month_no, scope, scope_id
),

today AS (
    SELECT
        t.*,
        m.month_no
    FROM monthly_transactions_v1 AS t
    INNER JOIN dim_month AS m ON t.calendar = m.calendar AND t.month = m.month
    WHERE
        t.channel = 'all' AND t.completed_status = 'value' AND t.scope IN ('national', 'province', 'ministry')
),

earlier_definition AS (
    SELECT * FROM today
)

SELECT
    t.calendar,
    t.month,
    t.scope,
    t.scope_id,
    e.completed AS completed_before,
    'value' AS completed_before_status,
    e.completed_keys AS completed_before_keys,
    t.completed,
    'value' AS completed_status,
    t.completed_keys,
    t.completed - e.completed AS change,
    'value' AS change_status,
    COALESCE(p.real_change, 0) AS real_change,
    'value' AS real_change_status,
    b.completed - e.completed AS definition_change,
    'value' AS definition_change_status,
    COALESCE(p.coverage_change, 0) AS coverage_change,
    'value' AS coverage_change_status,
    COALESCE(p.catalogue_change, 0) AS catalogue_change,
    'value' AS catalogue_change_status,
    LEAST(t.completed_keys, e.completed_keys, p.persons) AS change_keys,
    change_keys AS real_change_keys,
    change_keys AS definition_change_keys,
    change_keys AS coverage_change_keys,
    change_keys AS catalogue_change_keys,
    e.metric_version AS version_before,
    1 AS metric_version
FROM today AS t
INNER JOIN today AS b
    ON t.calendar = b.calendar AND t.month_no - 1 = b.month_no AND t.scope = b.scope AND t.scope_id = b.scope_id
INNER JOIN earlier_definition AS e
    ON t.calendar = e.calendar AND t.month_no - 1 = e.month_no AND t.scope = e.scope AND t.scope_id = e.scope_id
LEFT JOIN parts AS p
    ON t.calendar = p.calendar AND t.month_no = p.month_no AND t.scope = p.scope AND t.scope_id = p.scope_id
