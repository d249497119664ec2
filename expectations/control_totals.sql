-- How many more events of a date landed than the agency's control total declares, per (batch, agency) of `pending`.
--
-- Reads    events; totals (latest total per source, date and type), total_days (a date's window in UTC), pending,
--          last_decided (when the gate last judged an agency)
-- Judges   a total that is due ($hours after its date's newest event) and that the batch touches, or that fell due
--          since the gate last looked at the agency: the batch that is here then answers for it
-- Blank    no row where nothing is in excess
WITH windows AS (
    SELECT totals.*, total_days.day_start, total_days.day_end
    FROM totals
    INNER JOIN total_days USING (total_date)
),

counted AS (
    SELECT
        said.batch_id,
        said.agency_id,
        said.source,
        windows.total_date,
        windows.total_event_type,
        count(*) AS landed,
        max(said.occurred_at) AS newest_at
    FROM (
        SELECT batch_id, agency_id, source, event_type, occurred_at
        FROM events
        WHERE source IN (SELECT source FROM totals)
    ) AS said
    ASOF INNER JOIN windows
        ON
            said.source = windows.source
            AND said.event_type = windows.total_event_type
            AND said.occurred_at >= windows.day_start
    WHERE said.occurred_at < windows.day_end
    GROUP BY ALL
),

in_excess AS (
    SELECT
        totals.agency_id,
        totals.source,
        totals.total_date,
        totals.total_event_type,
        sum(counted.landed) - any_value(totals.declared) AS excess,
        max(counted.newest_at) + to_hours($hours::INTEGER) AS due_at
    FROM counted
    INNER JOIN totals USING (source, total_date, total_event_type)
    GROUP BY ALL
    HAVING sum(counted.landed) > any_value(totals.declared) AND due_at <= $now
),

touching AS (
    SELECT DISTINCT batch_id, agency_id, source, total_date, total_event_type
    FROM counted
    SEMI JOIN pending USING (batch_id, agency_id)
    UNION
    SELECT batch_id, agency_id, source, total_date, total_event_type
    FROM events
    SEMI JOIN pending USING (batch_id, agency_id)
    WHERE event_type = $control_total
    UNION
    SELECT pending.batch_id, pending.agency_id, in_excess.source, in_excess.total_date, in_excess.total_event_type
    FROM in_excess
    INNER JOIN pending USING (agency_id)
    INNER JOIN last_decided USING (agency_id)
    WHERE in_excess.due_at > last_decided.decided_at
)

SELECT
    touching.batch_id,
    touching.agency_id,
    sum(in_excess.excess)::BIGINT AS control_excess
FROM in_excess
INNER JOIN touching USING (agency_id, source, total_date, total_event_type)
GROUP BY touching.batch_id, touching.agency_id
