"""The evaluator's scores as facts. They are few, so what is in force is computed whole whenever facts are updated."""

from __future__ import annotations

from contracts.settings import EVALUATOR
from transforms.model import models
from warehouse.connection import Connection


def apply(connection: Connection) -> None:
    """Take the scores of batches that began or ceased to count; then what is in force, of stream and catalogue.

    Runs in the transaction of ``refresh.update_facts``, after ``changes.find`` (lnd_events, chg_pairs) and after the
    catalogue was loaded.
    """
    connection.execute(
        """
        DELETE FROM fct_assessment_events AS e USING chg_pairs AS p
        WHERE p.sign = -1 AND p.agency_id = $evaluator AND e.batch_id = p.batch_id
    """,
        {"evaluator": EVALUATOR},
    )
    # The lake's files know which agencies they hold: without a batch of the evaluator's nothing of them is read.
    connection.execute(
        """
        INSERT INTO fct_assessment_events
        SELECT
            e.source, e.event_id, e.batch_id, e.occurred_at, e.round, e.framework_version, e.assessed_agency_id,
            e.indicator, e.assessment_method, e.score, e.assessment_scope, e.scope_reason, e.assessed_from,
            e.assessed_to, e.release_on, e.evaluator
        FROM lnd_events AS e
        WHERE e.agency_id = $evaluator AND e.event_type = 'ir.egov.assessment.scored.v1' AND e.batch_id IN (
            SELECT p.batch_id FROM chg_pairs AS p WHERE p.sign = 1 AND p.agency_id = $evaluator
        )
    """,
        {"evaluator": EVALUATOR},
    )
    in_force = models("facts")["fct_assessments"]
    connection.execute("DELETE FROM fct_assessments")
    connection.execute(f"INSERT INTO fct_assessments {in_force.selection}")
