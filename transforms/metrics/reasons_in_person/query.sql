-- Why people came in person, as they said and as agencies report it, per scope, channel and month.
--
-- Definition   citizen: completed transactions whose earliest completion carries the reason; agency: what agencies declared
--              under in_person_<reason> for exactly this month. share: of all with a reason, in the same row group and by
--              the same teller; rank: dense, the most frequent first
-- Grain        one row per (calendar, month, scope, scope_id, channel, reason, reported_by)
-- Window       the months in run_months, of the calendar $calendar
-- Counts       citizen: every scope; agency: agency, ministry and national rows, as declared cells add up
-- Leaves out   reasons nobody named; transactions without a reason
-- Not          one teller's word mixed with the other's; a share or rank beside a reason that an agency left unsaid
WITH transactions AS (
    SELECT
        jalali_no,
        gregorian_no,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id,
        channel,
        reason_in_person,
        user_no,
        1 AS transactions
    FROM fct_transactions
    WHERE kind = 'completed' AND reason_in_person IS NOT NULL
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id,
        channel,
        reason_in_person,
        user_no,
        0 AS transactions
    FROM fct_person_months
    WHERE did = 'completed' AND reason_in_person IS NOT NULL
),

by_person AS (
    SELECT
        m.month_no,
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
        CASE WHEN GROUPING(reason_in_person) = 0 THEN reason_in_person END AS reason,
        SUM(t.transactions) AS transactions,
        COUNT(DISTINCT t.user_no) AS persons
    FROM transactions AS t
    INNER JOIN run_months AS m ON m.month_no = CASE WHEN $calendar = 'jalali' THEN t.jalali_no ELSE t.gregorian_no END
    GROUP BY
        m.month_no,
        CUBE (channel, reason_in_person),
        GROUPING SETS ((), (province), (county), (district), (ministry_id), (agency_id), (service_id))
    HAVING SUM(t.transactions) > 0
),

by_agency AS (
    SELECT
        m.month_no,
        d.scope,
        d.scope_id,
        d.channel,
        SUBSTRING(d.measure, 11) AS reason,
        d.declared_value,
        d.declared_status
    FROM fct_declared_cells AS d
    INNER JOIN run_months AS m ON d.calendar = m.calendar AND d.first_no = m.month_no AND d.last_no = m.month_no
    WHERE STARTS_WITH(d.measure, 'in_person_') AND d.scope <> 'service'
),

told AS (
    SELECT
        r.month_no,
        r.scope,
        r.scope_id,
        r.channel,
        r.reason,
        'citizen' AS reported_by,
        r.transactions,
        'value' AS transactions_status,
        r.persons,
        w.transactions AS total_transactions,
        'value' AS total_transactions_status,
        w.persons AS total_persons
    FROM by_person AS r
    INNER JOIN by_person AS w
        ON
            r.month_no = w.month_no
            AND r.scope = w.scope
            AND r.scope_id = w.scope_id
            AND r.channel = w.channel
            AND w.reason IS NULL
    WHERE r.reason IS NOT NULL
    UNION ALL
    SELECT
        month_no,
        scope,
        scope_id,
        channel,
        reason,
        'agency' AS reported_by,
        declared_value AS transactions,
        declared_status AS transactions_status,
        NULL AS persons,
        CASE WHEN BOOL_AND(declared_status <> 'not_provided') OVER cell THEN SUM(declared_value) OVER cell END AS total_transactions,
        CASE
            WHEN BOOL_OR(declared_status = 'not_provided') OVER cell THEN 'not_provided'
            WHEN BOOL_OR(declared_status = 'value') OVER cell THEN 'value'
            ELSE 'not_applicable'
        END AS total_transactions_status,
        NULL AS total_persons
    FROM by_agency
    WINDOW cell AS (PARTITION BY month_no, scope, scope_id, channel)
),

ranked AS (
    SELECT
        *,
        CASE
            WHEN transactions_status <> 'value' THEN transactions_status
            WHEN total_transactions_status <> 'value' THEN total_transactions_status
            WHEN total_transactions = 0 THEN 'not_applicable'
            ELSE 'value'
        END AS share_status,
        DENSE_RANK() OVER (
            PARTITION BY month_no, scope, scope_id, channel, reported_by
            ORDER BY transactions DESC NULLS LAST
        ) AS place
    FROM told
)

SELECT
    m.calendar,
    m.month,
    m.month_start,
    r.scope,
    r.scope_id,
    r.channel,
    r.reason,
    r.reported_by,
    r.transactions,
    r.transactions_status,
    r.persons AS transactions_keys,
    r.total_transactions,
    r.total_transactions_status,
    r.total_persons AS total_transactions_keys,
    CASE WHEN r.share_status = 'value' THEN r.transactions / r.total_transactions END AS share,
    r.share_status,
    r.persons AS share_keys,
    CASE WHEN r.share_status = 'value' THEN r.place END AS rank,
    r.share_status AS rank_status,
    r.persons AS rank_keys,
    1 AS metric_version
FROM ranked AS r
INNER JOIN run_months AS m ON r.month_no = m.month_no
