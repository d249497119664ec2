-- What the rows of the facts tell of a month: its events, visits and transactions, and what a person did.
--
-- Definition   marks of what the person did, sixteen bits for each thing: the bit of the row's channel (dim_channel) and the
--              last one for all channels. seen: active, visited (from bit 16), received (from 32); completed: completed,
--              accepted (from 16), timed (from 32), and bits of their own for digital (48), assisted (49), neither (50) and
--              rejected (51), as monthly_digital_take_up and monthly_transactions define them
-- Grain        one row per row of a fact that told_<fact> stands for; fct_person_months tells what the other facts tell of
--              persons, where their events have lost the pid
-- Counts       rows without a person too: user_no is then NULL; events are those of fct_activity alone
-- Not          a person's month: see stg_persons
WITH active AS (
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id
    FROM told_fct_user_activity
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id
    FROM told_fct_person_months
    WHERE did = 'active'
),

visits AS (
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        nation,
        province,
        county,
        district,
        ministry_id,
        agency_id
    FROM told_fct_visits
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        nation,
        province,
        county,
        district,
        ministry_id,
        agency_id
    FROM told_fct_sessions
    UNION ALL
    SELECT
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        nation,
        province,
        county,
        district,
        ministry_id,
        agency_id
    FROM told_fct_person_months
    WHERE did = 'visited'
),

transactions AS (
    SELECT
        kind,
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id,
        outcome,
        assisted_by,
        duration_seconds IS NOT NULL AS is_timed
    FROM told_fct_transactions
    UNION ALL
    SELECT
        did AS kind,
        jalali_no,
        gregorian_no,
        user_no,
        channel,
        province,
        county,
        district,
        ministry_id,
        agency_id,
        service_id,
        outcome,
        assisted_by,
        is_timed
    FROM told_fct_person_months
    WHERE did IN ('received', 'completed')
)

SELECT
    e.jalali_no,
    e.gregorian_no,
    NULL::INTEGER AS user_no,
    e.channel,
    'IR' AS nation,
    e.province,
    e.county,
    e.district,
    e.ministry_id,
    e.agency_id,
    e.service_id,
    e.events,
    0::BIGINT AS seen,
    0::BIGINT AS completed
FROM told_fct_activity AS e
UNION ALL
SELECT
    a.jalali_no,
    a.gregorian_no,
    a.user_no,
    a.channel,
    'IR' AS nation,
    a.province,
    a.county,
    a.district,
    a.ministry_id,
    a.agency_id,
    a.service_id,
    0 AS events,
    COALESCE(c.bit, 0) | 32768 AS seen,
    0 AS completed
FROM active AS a
LEFT JOIN dim_channel AS c ON a.channel = c.channel
UNION ALL
SELECT
    v.jalali_no,
    v.gregorian_no,
    v.user_no,
    v.channel,
    v.nation,
    v.province,
    v.county,
    v.district,
    v.ministry_id,
    v.agency_id,
    NULL AS service_id,
    0 AS events,
    (COALESCE(c.bit, 0) | 32768) << 16 AS seen,
    0 AS completed
FROM visits AS v
LEFT JOIN dim_channel AS c ON v.channel = c.channel
UNION ALL
SELECT
    t.jalali_no,
    t.gregorian_no,
    t.user_no,
    t.channel,
    'IR' AS nation,
    t.province,
    t.county,
    t.district,
    t.ministry_id,
    t.agency_id,
    t.service_id,
    0 AS events,
    CASE WHEN t.kind = 'received' THEN (COALESCE(c.bit, 0) | 32768) << 32 ELSE 0 END AS seen,
    CASE
        WHEN t.kind = 'completed'
            THEN
                (COALESCE(c.bit, 0) | 32768)
                | CASE WHEN t.outcome = 'accepted' THEN (COALESCE(c.bit, 0) | 32768) << 16 ELSE 0 END
                | CASE WHEN t.is_timed THEN (COALESCE(c.bit, 0) | 32768) << 32 ELSE 0 END
                | CASE
                    WHEN t.channel IN ('portal', 'mobile_app', 'national_window') THEN 1::BIGINT << 48
                    WHEN t.channel = 'counter_office' OR t.assisted_by IN ('counter_office', 'call_centre') THEN 1::BIGINT << 49
                    ELSE 1::BIGINT << 50
                END
                | CASE WHEN t.outcome = 'rejected' THEN 1::BIGINT << 51 ELSE 0 END
        ELSE 0
    END AS completed
FROM transactions AS t
LEFT JOIN dim_channel AS c ON t.channel = c.channel
