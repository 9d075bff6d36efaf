"""Effects without a story, with the reason: they change nothing, or another effect covers them."""

DRY_RUN = "it reads for a report (--dry-run)"
ONE_BY_ONE = "the same store again, record by record, where Postgres would not take them together"
HEARTBEAT = "a heartbeat that is missing or left over only tells `certline doctor` that a process was killed"
HARMLESS = {
    "workers.process.health:_metrics transaction": "it reads figures for a monitor",
    "producers.requests.orders:check_order transaction": "it reads what was synced (--dry-run)",
    "producers.requests.orders:fields_of transaction": "it reads what was synced",
    "producers.requests.secret_keys:key_uses transaction": "it counts what each key is needed for",
    "producers.renewals.verdicts:judge_many transaction": "it reads what was synced",
    "producers.relay:Relay.replace_lost transaction": "the sweep does the same, later",
    "workers.process.heart:Heart._replace transaction": HEARTBEAT,
    "workers.process.heart:Heart._beat transaction": HEARTBEAT,
    "workers.process.heart:Heart._end transaction": HEARTBEAT,
    "producers.requests.secret_keys:forget_key transaction": "a user's decision, in one transaction",
    "producers.requests.secret_keys:retire_keys transaction": "the next rotation does the same",
    "producers.ingress:Ingress.run run execute": "it asks whether Postgres answers",
    "workers.importing.dry_run:report call count_certificates": DRY_RUN,
    "workers.importing.dry_run:report transaction": DRY_RUN,
    "workers.importing.dry_run:_compare_lists transaction": DRY_RUN,
    "workers.importing.dry_run:_compare_lists transaction 2": DRY_RUN,
    "workers.importing.dry_run:_ask_for_named call details": DRY_RUN,
    "workers.importing.dry_run:_ask_for_named transaction": DRY_RUN,
    "workers.steps.import_batch:_keep store _store 2": ONE_BY_ONE,
    "workers.steps.import_batch:_keep_one store _store": ONE_BY_ONE,
    "workers.steps.import_batch:_keep_one store _store 2": ONE_BY_ONE,
    "workers.importing.record_reader:RecordReader.details_of call details": "it reads what is here",
    "workers.importing.record_reader:RecordReader._scm_works call organizations": "it asks whether SCM works",
    "workers.steps.fetch:_chain_for call details": "it reads, as the poll did",
    "workers.steps.sync:_domains call domains 2": "it reads, as the call before it",
    "workers.steps.sync:_offered call organizations": "it reads, as the call before it",
    "workers.steps.sync:_offered call profiles": "it reads, as the call before it",
    "workers.account_check:examine call organizations": "it tries a login",
    "workers.account_check:_record call admin": "it reads what a login may do",
    "workers.account_check:_details call organization": "it reads what a login may do",
    "workers.account_check:_domains call domains": "it reads what a login may do",
    "workers.account_check:_domains call domain": "it reads what a login may do",
}
