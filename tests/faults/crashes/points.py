"""Registry of every effect of certline, with the story that kills a process right before and after it.

A new transaction, call, publish or ack has to be added here or, if it changes nothing, in `exempt.py`;
`test_points.py` fails until then.
"""

from collections.abc import Callable, Sequence

from tests.faults.harness.scenario import Stage
from tests.faults.stories import (
    approvals,
    cancel_delete,
    deploying,
    import_,
    lifecycle,
    notices,
    orders,
    parts,
    proofs,
    requests,
    restores,
    senders,
    unknown_outcomes,
    validations,
    webhooks,
)

Story = Callable[[Stage, Sequence[str]], None]

STORIES: dict[Story, tuple[str, ...]] = {
    orders.an_order: (
        "workers.runtime.step:_begin transaction",
        "workers.ordering.submission:_call call enroll",
        "workers.ordering.submission:submit store _record_answer",
        "workers.steps.poll:_ask call details",
        "workers.steps.poll:_ask store _record",
        "workers.steps.fetch:collect call collect",
        "workers.steps.fetch:collect store _store",
        "workers.process.broker:HardenedConsumer.ack ack",
    ),
    orders.an_order_of_a_suspended_account: ("workers.runtime.step:_begin transaction 2",),
    orders.an_order_that_scm_never_takes: ("workers.ordering.submission:send store _give_up",),
    orders.a_refused_order: ("workers.ordering.submission:submit store _reject",),
    orders.a_busy_scm: (
        "workers.ordering.submission:submit store _release",
        "workers.runtime.pacing:AccountPacing.after transaction",
    ),
    orders.a_refused_login: ("workers.ordering.submission:submit store _release 2",),
    orders.a_lost_answer: ("workers.ordering.submission:submit store _leave_unknown",),
    orders.a_poll_that_scm_refuses: ("workers.steps.poll:_ask store send_to_review",),
    orders.a_fetch_that_scm_refuses: ("workers.steps.fetch:collect store send_to_review",),
    orders.an_order_of_another_system: (
        "workers.ordering.placement:place_once transaction",
        "workers.ordering.placement:place_once transaction 2",
    ),
    orders.a_whole_command: ("workers.runtime.messages:command_of transaction",),
    orders.a_fault_of_ours: (
        "workers.process.middleware.retries:SafeRetries.after_process_message after_process_message",
    ),
    orders.a_sync: (
        "workers.steps.sync:sync transaction",
        "workers.steps.sync:_organizations call organizations",
        "workers.steps.sync:_switches call organization",
        "workers.steps.sync:_domains call domains",
        "workers.steps.sync:_domains call domain",
        "workers.steps.sync:_profiles call profiles",
        "workers.steps.sync:_custom_fields call custom_fields",
        "workers.steps.sync:sync transaction 2",
        "workers.steps.sync:sync store _note_synced",
        "workers.runtime.step:_end store work",
    ),
    orders.a_poll_of_all: ("workers.runtime.step:_begin transaction",),
    unknown_outcomes.lost_before_scm: (
        "workers.runtime.pacing:AccountPacing._asking transaction",
        "workers.steps.reconcile:reconcile transaction",
        "workers.ordering.lookup:look call certificates",
        "workers.ordering.lookup:_reported call ssl_report",
        "workers.ordering.lookup:_witness call certificates",
        "workers.steps.reconcile:reconcile store _write 2",
    ),
    unknown_outcomes.lost_after_scm: ("workers.ordering.lookup:_read call details",),
    unknown_outcomes.lost_without_a_reference: ("workers.ordering.lookup:_by_key call collect",),
    unknown_outcomes.a_list_that_scm_refuses: ("workers.steps.reconcile:reconcile store _write",),
    unknown_outcomes.adopted_by_a_person: ("producers.requests.order_review:adopt transaction",),
    unknown_outcomes.sent_again_by_a_person: (
        "producers.requests.order_review:send_again transaction",
    ),
    unknown_outcomes.given_up_by_a_person: ("producers.requests.order_review:reject transaction",),
    unknown_outcomes.an_scm_that_was_out_of_order: (
        "workers.runtime.context:WorkerContext._open_door.probe call organizations",
    ),
    lifecycle.a_renewal: (
        "workers.runtime.step:_begin transaction",
        "workers.ordering.succession_command:_place transaction",
        "workers.ordering.precheck:may_be_sent call details",
        "workers.ordering.submission:send transaction",
        "workers.ordering.submission:_call call renew",
    ),
    lifecycle.a_reissue: ("workers.ordering.submission:_call call replace",),
    lifecycle.a_renewal_that_needs_a_new_order: (
        "workers.ordering.submission:submit store _order_anew",
    ),
    lifecycle.a_renewal_that_is_turned_away: (
        "workers.ordering.precheck:may_be_sent store _turn_away",
    ),
    lifecycle.a_lost_renewal: ("workers.ordering.lookup:look call details",),
    lifecycle.a_lost_reissue: ("workers.ordering.lookup:_look_at_record call details",),
    lifecycle.a_revocation: (
        "workers.steps.revoke:revoke transaction",
        "workers.steps.revoke:revoke call revoke_by_serial",
        "workers.steps.revoke:revoke store _store",
    ),
    lifecycle.a_revocation_of_what_is_revoked: ("workers.steps.revoke:revoke call details",),
    lifecycle.a_revocation_whose_answer_is_lost: (
        "workers.steps.revoke:revoke store _note_unclear",
    ),
    lifecycle.a_revocation_that_scm_never_answers: (
        "workers.steps.revoke:revoke store _call_a_person",
    ),
    cancel_delete.a_cancelling: (
        "workers.steps.cancel:cancel transaction",
        "workers.steps.cancel:ask call decline",
        "workers.steps.cancel:cancel store _store",
    ),
    cancel_delete.a_cancelling_that_scm_refuses: ("workers.steps.cancel:ask call details",),
    cancel_delete.a_cancelling_of_what_scm_has_issued: (
        "workers.steps.cancel:cancel store ask_now",
    ),
    cancel_delete.a_cancelled_reissue: ("workers.steps.cancel:came_after_all call collect",),
    cancel_delete.a_deletion: ("workers.steps.delete:delete transaction",),
    cancel_delete.a_cancelling_is_typed: (
        "producers.requests.certificates:request_cancelling transaction",
    ),
    cancel_delete.a_deletion_is_typed: (
        "producers.requests.certificates:request_deletion transaction",
    ),
    approvals.a_deletion_is_approved: ("producers.requests.approvals:approve transaction",),
    approvals.a_deletion_is_declined: ("producers.requests.approvals:decline transaction",),
    approvals.a_rule_is_changed: ("producers.requests.approvals:change_rule transaction",),
    deploying.a_hook: (
        "workers.steps.hook:hook transaction",
        "workers.steps.hook:_carry_out transaction",
        "workers.steps.hook:hook store _note",
    ),
    import_.an_import: (
        "workers.steps.import_orders:import_orders transaction",
        "workers.steps.import_orders:_so_far transaction",
        "workers.importing.scm_lists:ListReader._page call certificate_page",
        "workers.steps.import_orders:_listed transaction",
        "workers.steps.import_orders:_read_lists store note_page",
        "workers.steps.import_orders:import_orders store _close",
        "workers.steps.import_batch:import_batch transaction",
        "workers.importing.record_reader:RecordReader._one call details",
        "workers.importing.record_reader:RecordReader._with_certificate call collect",
        "workers.steps.import_batch:import_batch transaction 2",
        "workers.steps.import_batch:_keep store store_group",
    ),
    import_.an_import_of_named_orders: (
        "workers.steps.import_orders:import_orders store note_records",
    ),
    import_.an_import_is_typed: ("producers.requests.imports:request_import transaction",),
    requests.a_renewal_is_typed: (
        "workers.ordering.placement:place_once transaction",
        "workers.ordering.placement:place_once transaction 2",
    ),
    requests.a_batch_is_typed: ("producers.renewals.batches:request_batch transaction",),
    requests.a_batch_is_paused: ("producers.renewals.batches:pause transaction",),
    requests.a_batch_is_cancelled: ("producers.renewals.batches:cancel transaction",),
    requests.a_batch_is_resumed: ("producers.renewals.batches:resume transaction",),
    requests.a_revocation_is_typed: (
        "producers.requests.certificates:request_revocation transaction",
    ),
    requests.a_letter_is_replayed: ("producers.requests.dead_letters:replay transaction",),
    requests.a_letter_is_dropped: ("producers.requests.dead_letters:drop transaction",),
    requests.an_order_is_typed: (
        "workers.ordering.placement:place_once transaction",
        "workers.ordering.placement:place_once transaction 2",
    ),
    requests.a_sync_is_typed: ("producers.requests.catalogue:request_sync transaction",),
    requests.a_poll_is_typed: ("producers.requests.orders:request_polls transaction",),
    requests.a_retry_is_typed: ("producers.requests.commands:retry transaction",),
    requests.keys_are_rotated: (
        "producers.requests.secret_keys:Rotation.run transaction",
        "producers.requests.secret_keys:Rotation._look_at transaction",
        "producers.requests.secret_keys:require_bound transaction",
    ),
    requests.a_licence_is_set: ("producers.requests.license:set_license transaction",),
    requests.a_schedule_is_run: ("producers.schedule:run_now transaction",),
    webhooks.an_event_to_a_webhook: (
        "workers.steps.webhook:deliver transaction",
        "workers.steps.webhook:_post call post",
        "workers.steps.webhook:deliver store note_success",
    ),
    webhooks.a_webhook_is_tested: (
        "workers.steps.webhook:_test transaction",
        "workers.steps.webhook:_test store note_success",
    ),
    webhooks.a_receiver_in_trouble: ("workers.steps.webhook:_again store _failed",),
    webhooks.a_receiver_that_is_gone: ("workers.steps.webhook:_park store work",),
    webhooks.a_webhook_is_added: ("producers.requests.webhooks:add_webhook transaction",),
    webhooks.a_webhook_is_removed: ("producers.requests.webhooks:remove_webhook transaction",),
    webhooks.a_webhook_is_enabled: ("producers.requests.webhooks:enable_webhook transaction",),
    webhooks.deliveries_are_retried: ("producers.requests.webhooks:retry_deliveries transaction",),
    notices.a_notice: (
        "workers.steps.notify:notify transaction",
        "workers.steps.notify:_send call send",
        "workers.steps.notify:_send store note_sent",
        "workers.steps.notify:notify store settle",
    ),
    notices.a_route_is_tested: (
        "workers.steps.notify:_test transaction",
        "workers.steps.notify:_test call send",
    ),
    notices.a_route_is_added: ("producers.notices.routes:add_route transaction",),
    notices.a_route_is_removed: ("producers.notices.routes:remove_route transaction",),
    notices.a_route_is_tried_again: ("producers.notices.routes:retry_route transaction",),
    proofs.a_provider_is_added: ("producers.domains.providers:add_provider transaction",),
    proofs.a_provider_is_removed: ("producers.domains.providers:remove_provider transaction",),
    validations.a_validation: (
        "workers.domains.validate:validate transaction",
        "workers.domains.scm_stages:start call start_validation",
        "workers.domains.scm_stages:start store _store_started",
        "workers.domains.proof_stages:publish call publish",
        "workers.domains.proof_stages:publish store _store_published",
        "workers.domains.proof_stages:look_for store _store_seen",
        "workers.domains.scm_stages:submit call submit_validation",
        "workers.domains.scm_stages:submit store _store_submitted",
        "workers.domains.scm_stages:poll store _store_validated",
        "workers.domains.proof_stages:withdraw call withdraw",
        "workers.domains.proof_stages:withdraw store _store_withdrawn",
    ),
    validations.a_validation_is_cancelled: (
        "workers.domains.proof_stages:_find_left store _store_left",
    ),
    validations.a_validation_is_requested: (
        "producers.domains.validations:request_validations transaction",
    ),
    validations.a_cancellation_is_typed: (
        "producers.domains.cancellation:cancel_validations transaction",
    ),
    parts.the_relay: (
        "producers.witness.keeper:WitnessKeeper.compare transaction",
        "producers.relay:Relay._claim transaction",
        "producers.messaging.publisher:RabbitWire._hand_over send_all",
        "producers.messaging.publisher:RabbitWire._verdicts await_verdicts",
    ),
    parts.the_producer: (
        "producers.schedule:tick transaction",
        "producers.schedule:tick transaction 2",
    ),
    restores.a_recovery: ("producers.recovery:go_on transaction",),
    parts.the_producer_renews_many: ("producers.schedule:tick transaction 3",),
    parts.an_auto_renewal: ("producers.renewals.decisions:RunAtWork.keep transaction",),
    parts.everything_in_one_process: ("producers.in_process:running transaction",),
    parts.a_command_from_outside: (
        "producers.ingress:take transaction",
        "producers.messaging.consumer:Listener.wait basic_ack",
    ),
    parts.a_refused_command_from_outside: ("producers.ingress:take transaction 2",),
    senders.a_sender_is_added: ("producers.requests.senders:add_sender transaction",),
    senders.a_sender_is_changed: ("producers.requests.senders:set_sender transaction",),
    senders.a_sender_is_removed: ("producers.requests.senders:remove_sender transaction",),
    senders.a_forbidden_command: ("producers.ingress:take transaction 2",),
    parts.nonsense_for_the_workers: ("workers.process.broker:HardenedConsumer.nack nack",),
    parts.a_dead_letter: (
        "producers.messaging.dead_work:keep_dead transaction",
        "producers.messaging.dead_work:keep_dead transaction 2",
    ),
}
