"""Statistical disclosure control of the public tier: cells that rest on too few people are withheld.

A number is withheld (NULL, status ``suppressed``) where it counts events of fewer than k distinct persons, none
included. Structural zeros are shown: a channel that the service does not have. What is computed from a withheld number
is withheld with it, and so is the remark that there is nothing to divide by. Primary suppression only: that a total
minus the other channels gives a withheld cell back is the matter of complementary suppression, which is its own step.
"""

from __future__ import annotations

from warehouse.metric_tables import MetricTable

# A derived measure is withheld together with any of these measures of its own row.
_TOGETHER = {
    ("monthly_channel_share", "share"): ("transactions", "total_transactions"),
    ("monthly_transactions", "reject_rate"): ("completed",),
    ("monthly_transactions", "duration_p50"): ("completed",),
    ("monthly_transactions", "duration_p90"): ("completed",),
    ("monthly_visits", "visits_per_active_user"): ("visits",),
}
# Numbers of all channels that a channel's row repeats: no zero of theirs is structural.
_OF_ALL_CHANNELS = frozenset({"total_transactions"})


def public_select(table: MetricTable, source: str, users: str | None, k: int) -> str:
    """SQL of the table as the public may see it: the analyst's columns, made of ``source`` (which has the key counts).

    ``users`` is the like source of monthly_users: visits per user is withheld with the users it divides by.
    """
    too_few = {measure: _too_few(measure, k) for measure in table.keyed}
    hidden = dict(too_few)
    joins = ""
    for (name, measure), bases in _TOGETHER.items():
        if name == table.name and measure in hidden:
            # A derived measure is no number of its own where its base is withheld, whatever its status says.
            hidden[measure] = " OR ".join([hidden[measure], *(too_few[base] for base in bases if base in too_few)])
    if table.name == "monthly_channel_share" and "users_share" in hidden:
        # Not applicable means that nobody was active in any channel: a zero that rests on nobody.
        hidden["users_share"] += " OR own.users_share_status = 'not_applicable'"
    if table.name == "monthly_visits" and users is not None and "visits_per_active_user" in hidden:
        joins = f"LEFT JOIN {users} AS users USING (calendar, month, scope, scope_id, channel)"
        hidden["visits_per_active_user"] += f" OR coalesce(users.active_users_keys, 0) < {k}"
    values = []
    for column in table.columns:
        measure = column.removesuffix("_status")
        if column == "vintage":
            continue
        if measure in hidden:
            shown = "NULL" if column == measure else "'suppressed'"
            values.append(f"CASE WHEN {hidden[measure]} THEN {shown} ELSE own.{column} END AS {column}")
        else:
            values.append(f"own.{column}")
    return f"SELECT {', '.join(values)} FROM {source} AS own {joins}"  # noqa: S608 names of the build's tables


def _too_few(measure: str, k: int) -> str:
    structural = "false" if measure in _OF_ALL_CHANNELS else f"(own.channel_is_foreign AND own.{measure} = 0)"
    return f"(own.{measure}_status = 'value' AND coalesce(own.{measure}_keys, 0) < {int(k)} AND NOT {structural})"
