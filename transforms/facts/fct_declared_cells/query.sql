-- What agencies declared about themselves, at every level it adds up to.
--
-- Definition   the latest declaration per (agency, measure, period, service, channel). A total adds the provided cells;
--              without one it is not provided if any cell is, else not applicable. An agency's own figure is preferred to
--              the total over its channels, that to the total over its services
-- Grain        one row per (measure, calendar, period, scope, scope_id, channel)
-- Counts       service, agency, ministry and national rows; the ministry as of the day of the agency's latest declaration
--              of the measure for the period. A range that is a quarter, half or year appears under that label too.
--              provided, applicable: of the services behind the figure (an agency that spoke for itself is one), those
--              with a number and those to which the cell applies
-- Leaves out   retracted declarations; places: a declaration names none; ranges of months of any measure but
--              transactions_completed, and stocks: no table shows them
-- Not          mixed into completed, ever; never suppressed
WITH latest AS (
    SELECT
        d.measure,
        d.agency_id,
        d.calendar,
        f.month_no AS first_no,
        l.month_no AS last_no,
        d.service_id,
        d.channel,
        d.declared_value,
        d.declared_status,
        d.event_date,
        d.occurred_at,
        d.event_id,
        d.source
    FROM fct_declaration_events AS d
    INNER JOIN dim_month AS f ON d.calendar = f.calendar AND f.month = SPLIT_PART(d.period, '/', 1)
    INNER JOIN dim_month AS l ON d.calendar = l.calendar AND l.month = SPLIT_PART(d.period, '/', -1)
    WHERE
        (
            d.measure = 'transactions_completed'
            OR (
                f.month_no = l.month_no
                AND (STARTS_WITH(d.measure, 'inquiries_') OR STARTS_WITH(d.measure, 'in_person_'))
            )
        )
        AND NOT EXISTS (
            SELECT 1 FROM fct_retractions AS r
WHERE r.source = d.source AND r.event_id = d.event_id
        )
    QUALIFY
        ROW_NUMBER() OVER (
            PARTITION BY d.measure, d.agency_id, d.calendar, f.month_no, l.month_no, d.service_id, d.channel
            ORDER BY d.occurred_at DESC, d.event_id DESC, d.source DESC
        ) = 1
),

ministries AS (
    SELECT
        n.measure,
        n.agency_id,
        n.calendar,
        n.first_no,
        n.last_no,
        m.ministry_id
    FROM (
        SELECT *
        FROM latest
        QUALIFY
            ROW_NUMBER() OVER (
                PARTITION BY measure, agency_id, calendar, first_no, last_no
                ORDER BY occurred_at DESC, event_id DESC, source DESC
            ) = 1
    ) AS n
    INNER JOIN dim_agency_ministry AS m
        ON n.agency_id = m.agency_id AND n.event_date >= m.valid_from AND n.event_date < m.valid_before
),

of_services AS (
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        service_id,
        channel,
        declared_value,
        declared_status,
        (declared_status = 'value')::INTEGER AS provided,
        (declared_status <> 'not_applicable')::INTEGER AS applicable
    FROM latest
    WHERE service_id IS NOT NULL AND channel IS NOT NULL
    UNION ALL
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        service_id,
        'all' AS channel,
        declared_value,
        declared_status,
        (declared_status = 'value')::INTEGER AS provided,
        (declared_status <> 'not_applicable')::INTEGER AS applicable
    FROM latest
    WHERE service_id IS NOT NULL AND channel IS NULL
    UNION ALL
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        service_id,
        'all' AS channel,
        SUM(declared_value) FILTER (WHERE declared_status = 'value') AS declared_value,
        CASE
            WHEN COUNT(*) FILTER (WHERE declared_status = 'value') > 0 THEN 'value'
            WHEN COUNT(*) FILTER (WHERE declared_status = 'not_provided') > 0 THEN 'not_provided'
            ELSE 'not_applicable'
        END AS declared_status,
        BOOL_OR(declared_status = 'value')::INTEGER AS provided,
        BOOL_OR(declared_status <> 'not_applicable')::INTEGER AS applicable
    FROM latest
    WHERE service_id IS NOT NULL
    GROUP BY measure, agency_id, calendar, first_no, last_no, service_id
    HAVING COUNT(*) FILTER (WHERE channel IS NULL) = 0
),

-- rank 1 is the agency's own word, 2 the total over its channels, 3 the total over its services
agency_candidates AS (
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        COALESCE(channel, 'all') AS channel,
        1 AS preference,
        declared_value,
        declared_status,
        (declared_status = 'value')::INTEGER AS provided,
        (declared_status <> 'not_applicable')::INTEGER AS applicable
    FROM latest
    WHERE service_id IS NULL
    UNION ALL
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        'all' AS channel,
        2 AS preference,
        SUM(declared_value) FILTER (WHERE declared_status = 'value') AS declared_value,
        CASE
            WHEN COUNT(*) FILTER (WHERE declared_status = 'value') > 0 THEN 'value'
            WHEN COUNT(*) FILTER (WHERE declared_status = 'not_provided') > 0 THEN 'not_provided'
            ELSE 'not_applicable'
        END AS declared_status,
        BOOL_OR(declared_status = 'value')::INTEGER AS provided,
        BOOL_OR(declared_status <> 'not_applicable')::INTEGER AS applicable
    FROM latest
    WHERE service_id IS NULL AND channel IS NOT NULL
    GROUP BY measure, agency_id, calendar, first_no, last_no
    UNION ALL
    SELECT
        measure,
        agency_id,
        calendar,
        first_no,
        last_no,
        channel,
        3 AS preference,
        SUM(declared_value) FILTER (WHERE declared_status = 'value') AS declared_value,
        CASE
            WHEN COUNT(*) FILTER (WHERE declared_status = 'value') > 0 THEN 'value'
            WHEN COUNT(*) FILTER (WHERE declared_status = 'not_provided') > 0 THEN 'not_provided'
            ELSE 'not_applicable'
        END AS declared_status,
        SUM(provided) AS provided,
        SUM(applicable) AS applicable
    FROM of_services
    GROUP BY measure, agency_id, calendar, first_no, last_no, channel
),

of_agencies AS (
    SELECT *
    FROM agency_candidates
    QUALIFY ROW_NUMBER() OVER (PARTITION BY measure, agency_id, calendar, first_no, last_no, channel ORDER BY preference) = 1
),

scoped AS (
    SELECT
        measure,
        calendar,
        first_no,
        last_no,
        'service' AS scope,
        service_id AS scope_id,
        channel,
        declared_value,
        declared_status,
        provided,
        applicable
    FROM of_services
    UNION ALL
    SELECT
        measure,
        calendar,
        first_no,
        last_no,
        'agency' AS scope,
        agency_id AS scope_id,
        channel,
        declared_value,
        declared_status,
        provided,
        applicable
    FROM of_agencies
    UNION ALL
    SELECT
        a.measure,
        a.calendar,
        a.first_no,
        a.last_no,
        'ministry' AS scope,
        m.ministry_id AS scope_id,
        a.channel,
        a.declared_value,
        a.declared_status,
        a.provided,
        a.applicable
    FROM of_agencies AS a
    INNER JOIN ministries AS m
        ON
            a.measure = m.measure
            AND a.agency_id = m.agency_id
            AND a.calendar = m.calendar
            AND a.first_no = m.first_no
            AND a.last_no = m.last_no
    UNION ALL
    SELECT
        measure,
        calendar,
        first_no,
        last_no,
        'national' AS scope,
        'IR' AS scope_id,
        channel,
        declared_value,
        declared_status,
        provided,
        applicable
    FROM of_agencies
),

totals AS (
    SELECT
        measure,
        calendar,
        first_no,
        last_no,
        scope,
        scope_id,
        channel,
        SUM(declared_value) FILTER (WHERE declared_status = 'value') AS declared_value,
        CASE
            WHEN COUNT(*) FILTER (WHERE declared_status = 'value') > 0 THEN 'value'
            WHEN COUNT(*) FILTER (WHERE declared_status = 'not_provided') > 0 THEN 'not_provided'
            ELSE 'not_applicable'
        END AS declared_status,
        SUM(provided) AS provided,
        SUM(applicable) AS applicable
    FROM scoped
    GROUP BY measure, calendar, first_no, last_no, scope, scope_id, channel
)

SELECT
    t.measure,
    t.calendar,
    CASE WHEN t.first_no = t.last_no THEN f.month ELSE f.month || '/' || l.month END AS period,
    t.first_no,
    t.last_no,
    t.scope,
    t.scope_id,
    t.channel,
    t.declared_value,
    t.declared_status,
    t.provided,
    t.applicable
FROM totals AS t
INNER JOIN dim_month AS f ON t.calendar = f.calendar AND t.first_no = f.month_no
INNER JOIN dim_month AS l ON t.calendar = l.calendar AND t.last_no = l.month_no
UNION ALL
SELECT
    t.measure,
    t.calendar,
    p.period,
    t.first_no,
    t.last_no,
    t.scope,
    t.scope_id,
    t.channel,
    t.declared_value,
    t.declared_status,
    t.provided,
    t.applicable
FROM totals AS t
INNER JOIN dim_period AS p ON t.calendar = p.calendar AND t.first_no = p.first_no AND t.last_no = p.last_no
