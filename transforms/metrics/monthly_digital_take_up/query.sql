-- Digital take-up: how much of what was completed was completed in a digital channel, per scope and month.
--
-- Definition   digital: completed in the portal, the mobile app or the national window; digital_or_assisted adds the counter
--              office and, in any channel, what a counter office or the call centre helped with; take-up: each / completed
-- Grain        one row per (calendar, month, scope, scope_id, channel); the channel is always all
-- Window       the months in run_months
-- Counts       what monthly_transactions counts as completed
-- Leaves out   declared figures and months that have nothing else
-- Not          known where an agency declared that it cannot tell of a channel in which nothing was completed that month:
--              the shares are then not provided
WITH untold AS (
    SELECT DISTINCT
        t.month,
        t.scope,
        t.scope_id
    FROM monthly_transactions_v1 AS t
    INNER JOIN run_months AS m ON t.calendar = m.calendar AND t.month = m.month
    WHERE
        t.channel <> 'all'
        AND t.declared_provided_status = 'value'
        AND t.declared_status = 'not_provided'
        AND COALESCE(t.completed, 0) = 0
),

-- Of two figures shown side by side the difference is shown too: the fewest persons behind any of them decide.
measured AS (
    SELECT
        c.calendar,
        c.month,
        c.month_start,
        c.scope,
        c.scope_id,
        c.channel,
        COALESCE(t.completed, 0) AS completed,
        COALESCE(t.digital, 0) AS digital,
        COALESCE(t.digital + t.assisted, 0) AS digital_or_assisted,
        COALESCE(p.completed, 0) AS completed_keys,
        COALESCE(
            LEAST(
                p.digital,
                CASE WHEN t.completed > t.digital THEN p.other END
            ), 0
        ) AS digital_keys,
        COALESCE(
            LEAST(
                p.either,
                CASE WHEN t.assisted > 0 THEN p.assisted END,
                CASE WHEN t.completed > t.digital + t.assisted THEN p.neither END
            ), 0
        ) AS digital_or_assisted_keys,
        CASE
            WHEN u.month IS NOT NULL THEN 'not_provided'
            WHEN COALESCE(t.completed, 0) = 0 THEN 'not_applicable'
            ELSE 'value'
        END AS share_status
    FROM stg_cells AS c
    LEFT JOIN fct_cell_counts AS t
        ON
            c.calendar = t.calendar
            AND c.month_no = t.month_no
            AND c.scope = t.scope
            AND c.scope_id = t.scope_id
            AND c.channel = t.channel
    LEFT JOIN fct_cell_persons AS p
        ON
            c.calendar = p.calendar
            AND c.month = p.period
            AND c.scope = p.scope
            AND c.scope_id = p.scope_id
            AND c.channel = p.channel
    LEFT JOIN untold AS u ON c.month = u.month AND c.scope = u.scope AND c.scope_id = u.scope_id
    WHERE c.channel = 'all'
)

SELECT
    calendar,
    month,
    month_start,
    scope,
    scope_id,
    channel,
    completed,
    'value' AS completed_status,
    completed_keys,
    digital,
    'value' AS digital_status,
    digital_keys,
    digital_or_assisted,
    'value' AS digital_or_assisted_status,
    digital_or_assisted_keys,
    CASE WHEN share_status = 'value' THEN digital / completed END AS digital_take_up,
    share_status AS digital_take_up_status,
    digital_keys AS digital_take_up_keys,
    CASE WHEN share_status = 'value' THEN digital_or_assisted / completed END AS digital_take_up_assisted,
    share_status AS digital_take_up_assisted_status,
    digital_or_assisted_keys AS digital_take_up_assisted_keys,
    1 AS metric_version
FROM measured
