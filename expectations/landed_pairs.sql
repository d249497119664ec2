-- One row per (batch, agency) of `pending`: what the expectations of landed_events.py look at.
--
-- Reads    events, quarantine: the lake's tables; judged: rows of `pending` with the flags of summary.py;
--          pending (a portion of waiting, all that has no verdict), known_agencies, excess (control totals, summary.py);
--          the variables first_id and last_id, of the ids in judged
-- Counts   rows as landed: tests and retracted events included, this is about delivery
-- Blank    not enough to judge by: a new agency's batch is not wrong
-- Never    values of a person: a user's key is counted, not selected
WITH landed AS (
    SELECT
        batch_id,
        agency_id,
        count(*) AS landed,
        count(*) FILTER (WHERE misses_required) AS missing_required,
        count(*) FILTER (WHERE refers_to_unknown) AS unknown_references,
        count(*) FILTER (WHERE has_unknown_code) AS unknown_codes
    FROM judged
    GROUP BY batch_id, agency_id
),

rejected AS (
    SELECT
        batch_id,
        agency_id,
        count(*) AS quarantined
    FROM quarantine
    SEMI JOIN pending USING (batch_id, agency_id)
    GROUP BY batch_id, agency_id
),

-- Ids are compared by 64-bit hash first: a hash that is alone cannot be a duplicate.
landed_ids AS (
    SELECT DISTINCT hash(source, event_id) AS id_hash FROM judged
),

same_hash AS (
    SELECT hash(source, event_id) AS id_hash
    FROM events
    SEMI JOIN landed_ids ON landed_ids.id_hash = hash(events.source, events.event_id)
    WHERE
        agency_id IN (SELECT agency_id FROM pending)
        AND event_id BETWEEN getvariable('first_id') AND getvariable('last_id')
    GROUP BY id_hash
    HAVING count(*) > 1
),

copies AS (
    SELECT
        source,
        event_id
    FROM events
    SEMI JOIN same_hash ON same_hash.id_hash = hash(events.source, events.event_id)
    WHERE
        agency_id IN (SELECT agency_id FROM pending)
        AND event_id BETWEEN getvariable('first_id') AND getvariable('last_id')
    GROUP BY source, event_id
    HAVING count(*) > 1
),

duplicates AS (
    SELECT
        batch_id,
        agency_id,
        count(DISTINCT (source, event_id)) AS duplicate_ids
    FROM judged
    SEMI JOIN copies USING (source, event_id)
    GROUP BY batch_id, agency_id
),

landed_transactions AS (
    SELECT DISTINCT hash(agency_id, transaction_id) AS id_hash FROM judged WHERE event_type = $completed
),

same_transaction_hash AS (
    SELECT hash(agency_id, transaction_id) AS id_hash
    FROM events
    SEMI JOIN landed_transactions ON landed_transactions.id_hash = hash(events.agency_id, events.transaction_id)
    WHERE event_type = $completed AND agency_id IN (SELECT agency_id FROM pending)
    GROUP BY id_hash
    HAVING count(*) > 1
),

completed_again AS (
    SELECT
        agency_id,
        transaction_id
    FROM events
    SEMI JOIN same_transaction_hash ON same_transaction_hash.id_hash = hash(events.agency_id, events.transaction_id)
    WHERE event_type = $completed AND agency_id IN (SELECT agency_id FROM pending)
    GROUP BY agency_id, transaction_id
    HAVING count(DISTINCT (source, event_id)) > 1
),

twice AS (
    SELECT
        batch_id,
        agency_id,
        count(DISTINCT transaction_id) AS completed_twice
    FROM judged
    SEMI JOIN completed_again USING (agency_id, transaction_id)
    WHERE event_type = $completed
    GROUP BY batch_id, agency_id
),

users AS (
    SELECT
        batch_id,
        agency_id,
        max(user_events) AS busiest_user,
        sum(user_events) AS keyed_events
    FROM (
        SELECT batch_id, agency_id, pid, count(*) AS user_events
        FROM judged
        WHERE pid IS NOT NULL
        GROUP BY batch_id, agency_id, pid
    )
    GROUP BY batch_id, agency_id
),

seconds AS (
    SELECT
        batch_id,
        agency_id,
        max(second_events) AS busiest_second
    FROM (
        SELECT batch_id, agency_id, epoch(occurred_at)::BIGINT AS second, count(*) AS second_events
        FROM judged
        GROUP BY batch_id, agency_id, second
    )
    GROUP BY batch_id, agency_id
),

-- Days are UTC days here: a yardstick for volumes, never a published date.
days AS (
    SELECT
        batch_id,
        agency_id,
        occurred_at::DATE AS day,
        channel,
        event_type = $completed AS is_completed,
        count(*) AS day_events
    FROM judged
    GROUP BY ALL
),

past_days AS (
    SELECT
        agency_id,
        occurred_at::DATE AS day,
        channel,
        event_type = $completed AS is_completed,
        count(*) AS day_events
    FROM events
    ANTI JOIN waiting USING (batch_id, agency_id)
    WHERE agency_id IN (SELECT agency_id FROM pending)
    GROUP BY ALL
),

volume AS (
    SELECT
        batch_id,
        agency_id,
        sum(day_events) AS batch_events,
        count(DISTINCT day) AS batch_days,
        min(day) AS first_day
    FROM days
    GROUP BY batch_id, agency_id
),

past_volume AS (
    SELECT
        agency_id,
        sum(day_events) AS past_events,
        count(DISTINCT day) AS past_days
    FROM past_days
    GROUP BY agency_id
),

gaps AS (
    SELECT
        batch_id,
        agency_id,
        max(day - previous_day) - 1 AS silent_days
    FROM (
        SELECT
            batch_id,
            agency_id,
            day,
            lag(day) OVER (PARTITION BY batch_id, agency_id ORDER BY day) AS previous_day
        FROM (
            SELECT DISTINCT batch_id, agency_id, day FROM days
            UNION
            SELECT volume.batch_id, volume.agency_id, max(past_days.day)
            FROM volume
            INNER JOIN past_days ON volume.agency_id = past_days.agency_id AND past_days.day < volume.first_day
            GROUP BY volume.batch_id, volume.agency_id
        )
    )
    WHERE previous_day IS NOT NULL
    GROUP BY batch_id, agency_id
),

mix AS (
    SELECT
        batch_id,
        agency_id,
        channel,
        sum(day_events) AS channel_events,
        sum(sum(day_events)) OVER (PARTITION BY batch_id, agency_id) AS all_events
    FROM days
    WHERE is_completed
    GROUP BY batch_id, agency_id, channel
),

past_mix AS (
    SELECT
        agency_id,
        channel,
        sum(day_events) AS channel_events,
        sum(sum(day_events)) OVER (PARTITION BY agency_id) AS all_events
    FROM past_days
    WHERE is_completed
    GROUP BY agency_id, channel
),

-- Half the summed differences: the share of transactions that would have to change channel. Channels the batch lacks
-- lose what the others gain, so the gains alone tell it.
shift AS (
    SELECT
        mix.batch_id,
        mix.agency_id,
        sum(greatest(
            mix.channel_events / mix.all_events - coalesce(past_mix.channel_events / past_mix.all_events, 0), 0
        )) AS channel_shift
    FROM mix
    LEFT JOIN past_mix ON mix.agency_id = past_mix.agency_id AND mix.channel = past_mix.channel
    WHERE
        mix.all_events >= $judged_events
        AND mix.agency_id IN (SELECT agency_id FROM past_mix WHERE all_events >= $judged_events)
    GROUP BY mix.batch_id, mix.agency_id
)

SELECT
    pending.batch_id,
    pending.agency_id,
    coalesce(landed.landed, 0) AS landed,
    coalesce(rejected.quarantined, 0) AS quarantined,
    CASE
        WHEN coalesce(landed.landed, 0) + coalesce(rejected.quarantined, 0) >= $reject_rate_rows
            THEN coalesce(rejected.quarantined, 0) / (coalesce(landed.landed, 0) + coalesce(rejected.quarantined, 0))
    END AS reject_rate,
    CASE
        WHEN coalesce(landed.landed, 0) + coalesce(rejected.quarantined, 0) >= $large_batch
            THEN coalesce(rejected.quarantined, 0) / (coalesce(landed.landed, 0) + coalesce(rejected.quarantined, 0))
    END AS large_batch_reject_rate,
    coalesce(duplicates.duplicate_ids, 0) AS duplicate_ids,
    coalesce(landed.missing_required, 0) AS missing_required,
    coalesce(landed.unknown_references, 0) AS unknown_references,
    coalesce(landed.unknown_codes, 0) AS unknown_codes,
    coalesce(twice.completed_twice, 0) AS completed_twice,
    (pending.agency_id NOT IN (SELECT agency_id FROM known_agencies))::INTEGER AS agency_unknown,
    excess.control_excess,
    CASE
        WHEN
            past_volume.past_days >= $history_days
            AND volume.batch_events >= $judged_events
            AND (
                volume.batch_days >= 3
                OR volume.batch_events / volume.batch_days > past_volume.past_events / past_volume.past_days
            )
            THEN (volume.batch_events / volume.batch_days) / (past_volume.past_events / past_volume.past_days)
    END AS volume_ratio,
    gaps.silent_days,
    shift.channel_shift,
    CASE WHEN landed.landed >= $judged_events THEN seconds.busiest_second / landed.landed END AS same_second_share,
    CASE WHEN users.keyed_events >= $judged_events THEN users.busiest_user / users.keyed_events END AS dominant_user_share
FROM pending
LEFT JOIN landed USING (batch_id, agency_id)
LEFT JOIN rejected USING (batch_id, agency_id)
LEFT JOIN duplicates USING (batch_id, agency_id)
LEFT JOIN twice USING (batch_id, agency_id)
LEFT JOIN users USING (batch_id, agency_id)
LEFT JOIN seconds USING (batch_id, agency_id)
LEFT JOIN volume USING (batch_id, agency_id)
LEFT JOIN past_volume USING (agency_id)
LEFT JOIN gaps USING (batch_id, agency_id)
LEFT JOIN shift USING (batch_id, agency_id)
LEFT JOIN excess USING (batch_id, agency_id)
ORDER BY pending.batch_id, pending.agency_id
