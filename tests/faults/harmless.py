"""Effects without a story, with the reason: they change nothing, or another effect covers them."""

DRY_RUN = "it reads for a report (--dry-run)"
ONE_BY_ONE = "the same store again, record by record, where Postgres would not take them together"
HARMLESS = {
    "workers.health:_metrics transaction": "it reads figures for a monitor",
    "producers.requests:check_order transaction": "it reads what was synced (--dry-run)",
    "producers.requests:key_of transaction": "it reads what was synced",
    "producers.managing:check_successor transaction": "it reads what was synced (--dry-run)",
    "producers.rotating:key_uses transaction": "it counts what each key is needed for",
    "producers.renewing_many:judge_many transaction": "it reads what was synced",
    "producers.ingress:Ingress.run run execute": "it asks whether Postgres answers",
    "workers.import_report:report call count_certificates": DRY_RUN,
    "workers.import_report:report transaction": DRY_RUN,
    "workers.import_report:report transaction 2": DRY_RUN,
    "workers.import_report:report transaction 3": DRY_RUN,
    "workers.import_report:_ask_for_named call details": DRY_RUN,
    "workers.import_report:_ask_for_named transaction": DRY_RUN,
    "workers.import_batch:_keep store _store 2": ONE_BY_ONE,
    "workers.import_batch:_keep_one store _store": ONE_BY_ONE,
    "workers.import_batch:_keep_one store _store 2": ONE_BY_ONE,
    "workers.reading_records:RecordReader.details_of call details": "it reads what is here",
    "workers.reading_records:RecordReader._scm_works call organizations": "it asks whether SCM works",
    "workers.fetch:_chain_for call details": "it reads, as the poll did",
    "workers.sync:_domains call domains 2": "it reads, as the call before it",
    "workers.verifying:examine call organizations": "it tries a login",
    "workers.verifying:_record call admin": "it reads what a login may do",
    "workers.verifying:_details call organization": "it reads what a login may do",
}
