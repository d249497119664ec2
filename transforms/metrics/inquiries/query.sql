-- Inquiries answered online and on paper, per answering agency, counterpart and month.
--
-- Definition   online, paper: inquiries whose earliest event is in the month, by that event's mode; online_share: online /
--              (online + paper)
-- Grain        one row per (calendar, month, agency_id, counterpart_agency_id); 'all' stands for all counterparts
-- Window       the months in run_months, of the calendar $calendar
-- Counts       no event of a mode is a zero only where the agency reports: online from its first inquiry event on, paper
--              from its first paper event on. In the row of all counterparts, the agency's declaration for exactly this
--              month stands in where the month has no event of the mode
-- Leaves out   months with neither an inquiry nor a declaration
-- Not          a sum of events and declarations; paper nobody told of is not provided, and so is then the online share
WITH reported AS (
    SELECT
        agency_id,
        counterpart_agency_id,
        mode,
        CASE WHEN $calendar = 'jalali' THEN jalali_no ELSE gregorian_no END AS month_no
    FROM fct_inquiries
),

reporters AS (
    SELECT
        agency_id,
        MIN(month_no) AS online_from,
        MIN(month_no) FILTER (WHERE mode = 'paper') AS paper_from
    FROM reported
    GROUP BY agency_id
),

counted AS (
    SELECT
        m.month_no,
        r.agency_id,
        CASE WHEN GROUPING(r.counterpart_agency_id) = 1 THEN 'all' ELSE r.counterpart_agency_id END AS counterpart_agency_id,
        COUNT(*) FILTER (WHERE r.mode = 'online') AS online,
        COUNT(*) FILTER (WHERE r.mode = 'paper') AS paper
    FROM reported AS r
    INNER JOIN run_months AS m ON r.month_no = m.month_no
    GROUP BY GROUPING SETS ((m.month_no, r.agency_id), (m.month_no, r.agency_id, r.counterpart_agency_id))
),

declared AS (
    SELECT
        m.month_no,
        d.scope_id AS agency_id,
        'all' AS counterpart_agency_id,
        MAX(d.declared_value) FILTER (WHERE d.measure = 'inquiries_online') AS online,
        MAX(d.declared_status) FILTER (WHERE d.measure = 'inquiries_online') AS online_status,
        MAX(d.declared_value) FILTER (WHERE d.measure = 'inquiries_paper') AS paper,
        MAX(d.declared_status) FILTER (WHERE d.measure = 'inquiries_paper') AS paper_status
    FROM fct_declared_cells AS d
    INNER JOIN run_months AS m ON d.calendar = m.calendar AND d.first_no = m.month_no AND d.last_no = m.month_no
    WHERE d.measure IN ('inquiries_online', 'inquiries_paper') AND d.scope = 'agency' AND d.channel = 'all'
    GROUP BY m.month_no, d.scope_id
),

told AS (
    SELECT
        COALESCE(c.month_no, d.month_no) AS month_no,
        COALESCE(c.agency_id, d.agency_id) AS agency_id,
        COALESCE(c.counterpart_agency_id, d.counterpart_agency_id) AS counterpart_agency_id,
        COALESCE(c.online, 0) AS online,
        COALESCE(c.paper, 0) AS paper,
        d.online AS declared_online,
        d.online_status AS declared_online_status,
        d.paper AS declared_paper,
        d.paper_status AS declared_paper_status
    FROM counted AS c
    FULL OUTER JOIN declared AS d
        ON c.month_no = d.month_no AND c.agency_id = d.agency_id AND c.counterpart_agency_id = d.counterpart_agency_id
),

-- What the agency says in its row of all counterparts tells of each of them only where it is nothing.
sourced AS (
    SELECT
        t.*,
        MAX(t.online) OVER of_agency > 0
        OR (MAX(t.declared_online_status) OVER of_agency IS NULL AND COALESCE(t.month_no >= r.online_from, FALSE)) AS online_by_events,
        MAX(t.paper) OVER of_agency > 0
        OR (MAX(t.declared_paper_status) OVER of_agency IS NULL AND COALESCE(t.month_no >= r.paper_from, FALSE)) AS paper_by_events,
        CASE
            WHEN t.counterpart_agency_id = 'all' OR MAX(t.declared_online) OVER of_agency = 0
                OR MAX(t.declared_online_status) OVER of_agency = 'not_applicable'
                THEN MAX(t.declared_online_status) OVER of_agency
        END AS stated_online,
        CASE
            WHEN t.counterpart_agency_id = 'all' OR MAX(t.declared_paper) OVER of_agency = 0
                OR MAX(t.declared_paper_status) OVER of_agency = 'not_applicable'
                THEN MAX(t.declared_paper_status) OVER of_agency
        END AS stated_paper
    FROM told AS t
    LEFT JOIN reporters AS r ON t.agency_id = r.agency_id
    WINDOW of_agency AS (PARTITION BY t.month_no, t.agency_id)
),

measured AS (
    SELECT
        month_no,
        agency_id,
        counterpart_agency_id,
        CASE WHEN online_by_events THEN online WHEN stated_online = 'value' THEN COALESCE(declared_online, 0) END AS online,
        CASE WHEN online_by_events THEN 'value' ELSE COALESCE(stated_online, 'not_provided') END AS online_status,
        CASE WHEN online_by_events THEN 'events' WHEN stated_online IS NOT NULL THEN 'declaration' END AS online_source,
        CASE WHEN paper_by_events THEN paper WHEN stated_paper = 'value' THEN COALESCE(declared_paper, 0) END AS paper,
        CASE WHEN paper_by_events THEN 'value' ELSE COALESCE(stated_paper, 'not_provided') END AS paper_status,
        CASE WHEN paper_by_events THEN 'events' WHEN stated_paper IS NOT NULL THEN 'declaration' END AS paper_source
    FROM sourced
)

SELECT
    m.calendar,
    m.month,
    m.month_start,
    a.agency_id,
    a.counterpart_agency_id,
    a.online,
    a.online_status,
    a.online_source,
    a.paper,
    a.paper_status,
    a.paper_source,
    CASE WHEN a.online + a.paper > 0 THEN a.online / (a.online + a.paper) END AS online_share,
    CASE
        WHEN a.online + a.paper > 0 THEN 'value'
        WHEN 'not_provided' IN (a.online_status, a.paper_status) THEN 'not_provided'
        ELSE 'not_applicable'
    END AS online_share_status,
    1 AS metric_version
FROM measured AS a
INNER JOIN run_months AS m ON a.month_no = m.month_no
