"""Effects without a story, with the reason: they change nothing, or another effect covers them."""

DRY_RUN = "it reads for a report (--dry-run)"
ONE_BY_ONE = "the same store again, record by record, where Postgres would not take them together"
HARMLESS = {
    "workers.process.health:_metrics transaction": "it reads figures for a monitor",
    "producers.requests.orders:check_order transaction": "it reads what was synced (--dry-run)",
    "producers.requests.orders:key_of transaction": "it reads what was synced",
    "producers.requests.secret_keys:key_uses transaction": "it counts what each key is needed for",
    "producers.renewals.verdicts:judge_many transaction": "it reads what was synced",
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
    "workers.account_check:examine call organizations": "it tries a login",
    "workers.account_check:_record call admin": "it reads what a login may do",
    "workers.account_check:_details call organization": "it reads what a login may do",
}
