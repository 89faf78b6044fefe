//! The obligations of each module.

/// A group of [`contract_suite!`](crate::contract_suite) that has the obligations of one module.
#[doc(hidden)] // called by `contract_suite!`
#[macro_export]
macro_rules! contract_suite_group {
    ($make:path; units_of_work) => {
        $crate::contract_suite!(@named $make; units_of_work {
            work_that_returns_ok_is_committed
            work_that_returns_an_error_leaves_nothing_behind
            work_that_panics_leaves_nothing_behind_and_the_store_usable
            a_transaction_sees_its_own_writes
            a_unit_that_reads_refuses_every_write
            a_unit_that_reads_refuses_locks
            a_store_that_works_answers_a_ping
        });
    };
    ($make:path; products) => {
        $crate::contract_suite!(@named $make; products {
            a_product_comes_back_with_its_plan_type
            an_unknown_product_is_not_found
            seeding_again_changes_nothing
            seeding_adds_what_is_missing_and_leaves_what_exists
            products_and_plan_types_are_listed_by_id
            a_new_product_follows_the_others_and_is_recorded
            a_netsuite_id_names_one_product
            a_plan_type_can_be_added_and_changed
        });
    };
    ($make:path; agreements) => {
        $crate::contract_suite!(@named $make; agreements {
            an_agreement_comes_back_as_it_was_written
            an_agreement_without_anything_agreed_comes_back_so
            an_agreement_is_found_by_its_customer_and_by_their_slug
            every_field_of_an_agreement_can_be_changed_and_emptied
            an_expiration_message_comes_changes_and_goes
            writing_an_agreement_is_recorded
            writing_an_agreement_that_does_not_exist_fails
            a_customer_has_one_agreement
            a_slug_names_one_customer
            agreements_of_several_customers_are_renamed_at_once
            an_agreement_is_found_as_it_was_written_last_after_its_plan_was_read
            agreements_are_listed_in_the_order_of_their_ids_part_by_part
            agreements_are_filtered
        });
    };
    ($make:path; plans) => {
        $crate::contract_suite!(@named $make; plans {
            a_plan_comes_back_with_its_surroundings
            every_field_of_a_plan_can_be_changed_and_emptied
            writing_a_plan_is_recorded_with_its_reason
            writing_a_plan_that_does_not_exist_fails
            a_title_names_one_plan_of_an_agreement
            plans_are_listed_the_latest_start_first_part_by_part
            plans_are_filtered
            a_plan_is_current_from_its_start_to_its_expiration_both_included
            all_plans_of_agreements_are_found
            one_plan_of_an_agreement_auto_applies
            an_unknown_plan_is_neither_found_nor_locked
            several_plans_are_locked_at_once
        });
    };
    ($make:path; license_reads) => {
        $crate::contract_suite!(@named $make; license_reads {
            licenses_are_sorted_by_status_then_email_then_id
            absent_values_come_first_ascending_and_last_descending
            what_the_keys_leave_equal_is_sorted_by_id_upwards
            licenses_without_an_order_come_by_id
            licenses_are_listed_part_by_part
            licenses_are_filtered_by_status
            every_word_must_be_in_the_email_whatever_the_case
            a_word_is_taken_letter_by_letter
            retired_licenses_can_be_hidden
            licenses_are_filtered_by_their_last_change
            licenses_are_counted_as_they_are_listed
            plans_are_counted_exactly
            handed_out_licenses_are_paged_by_id
            a_person_is_found_by_email_and_by_lms_id_within_the_agreement
            a_person_is_found_by_an_address_as_an_older_version_stored_it
            an_unknown_lms_id_matches_nothing
            an_unknown_address_matches_nothing
            licenses_that_name_nobody_are_not_locked_for_anybody
            words_are_searched_in_their_normal_form
            an_email_is_found_in_its_plan_whatever_its_case
            an_activation_key_finds_its_customer
            licenses_are_found_by_their_ids
            live_copies_are_found_by_their_originals
            all_licenses_of_a_person_are_locked_across_agreements
            only_live_licenses_hold_an_email
            live_licenses_of_emails_are_locked
            live_licenses_are_locked_up_to_a_limit
            live_licenses_are_locked_one_part_after_another
            licenses_with_a_status_are_locked_one_part_after_another
        });
    };
    ($make:path; license_writes) => {
        $crate::contract_suite!(@named $make; license_writes {
            new_licenses_are_unassigned_and_recorded
            licenses_come_back_as_they_were_written
            a_license_can_move_to_another_plan
            licenses_are_added_as_they_stand
            a_license_that_gives_a_person_two_is_not_added
            writing_licenses_is_recorded
            writing_a_license_that_does_not_exist_fails_and_changes_nothing
            a_person_has_one_live_license_of_a_plan
            a_person_who_lost_a_license_can_get_another
            unassigned_licenses_are_claimed_in_the_order_of_their_ids
            fewer_are_claimed_only_where_the_plan_has_fewer
            what_is_left_is_claimed_after_other_licenses
            licenses_are_claimed_for_those_who_have_none
            holders_are_found_by_every_stored_form_before_licenses_are_claimed
            sources_are_noted_and_replaced
            licenses_of_a_status_are_deleted_with_their_sources
            unassigned_licenses_are_deleted_by_their_ids
            revoked_licenses_are_deleted_by_their_ids
            a_license_that_was_carried_on_to_a_deleted_one_forgets_it
            links_to_licenses_are_cleared_and_recorded
            nothing_to_write_is_nothing_written
            thousands_are_written_at_once
        });
    };
    ($make:path; license_pages) => {
        $crate::contract_suite!(@named $make; license_pages {
            every_page_in_every_order_is_a_part_of_the_sorted_whole
            pages_of_any_size_are_parts_of_the_sorted_whole
            what_is_searched_follows_the_licenses
        });
    };
    ($make:path; lookups) => {
        $crate::contract_suite!(@named $make; lookups {
            a_license_is_found_with_its_plan
            licenses_are_found_with_their_plans_and_nothing_is_locked
            activated_licenses_of_people_are_found_by_customer
            an_email_is_found_across_customers_whatever_its_case
            live_licenses_of_addresses_are_found_in_many_plans
            licenses_of_many_plans_are_filtered
            licenses_of_many_plans_are_sorted_and_listed_part_by_part
            what_follows_a_place_is_listed_in_every_order
            a_place_stays_when_its_license_moves
        });
    };
    ($make:path; retirement) => {
        $crate::contract_suite!(@named $make; retirement {
            a_retiree_s_licenses_are_found_by_id_and_by_address
            licenses_deleted_while_they_were_a_retiree_s_are_found_by_id_and_by_address
            the_history_forgets_a_person_and_keeps_what_happened
            the_history_keeps_the_key_that_a_revoked_license_keeps
            the_history_of_a_license_forgets_whoever_held_it_under_another_address
            the_history_forgets_the_user_name_of_whoever_acted_on_their_own_license
            nothing_is_erased_for_a_person_nobody_knows
            sources_are_deleted_with_their_history
            messages_that_wait_for_a_retiree_are_deleted
            dead_letters_about_a_retiree_are_deleted
            messages_of_a_retiree_are_deleted_after_old_history_was_removed
            who_asked_for_an_enrollment_is_forgotten
            a_retired_user_is_gone_with_their_roles
        });
    };
    ($make:path; renewals) => {
        $crate::contract_suite!(@named $make; renewals {
            a_renewal_without_a_plan_ends_as_agreed
            a_renewal_with_a_plan_ends_with_that_plan
            renewals_are_found_by_agreement
            renewals_are_found_by_agreement_after_its_plans
            a_renewal_comes_back_with_its_surroundings
            every_term_of_a_renewal_can_be_changed_and_emptied
            writing_a_renewal_is_recorded
            writing_a_renewal_that_does_not_exist_fails
            a_plan_is_renewed_once_and_follows_one_other
            renewals_are_found_by_either_plan
            renewals_are_listed_the_latest_first_part_by_part
            renewals_are_filtered
            a_plan_comes_with_the_plan_that_follows_it
            licenses_without_a_copy_wait
            who_was_refused_in_the_following_plan_does_not_wait
            copies_that_differ_are_found
            processed_renewals_are_found_by_the_start_of_their_plan
            an_id_is_not_given_to_another_renewal
        });
    };
    ($make:path; transfers) => {
        $crate::contract_suite!(@named $make; transfers {
            a_transfer_job_comes_back_as_it_was_made
            the_runs_of_a_transfer_job_are_kept_in_their_order
            writing_a_transfer_job_is_recorded
            transfer_jobs_are_listed_the_latest_first_and_filtered
            the_licenses_of_an_order_are_live_ones_that_are_named_or_all
            who_holds_a_live_license_of_both_plans_is_found
            licenses_move_and_stay_as_they_are
            licenses_that_cannot_move_stay_all_of_them
            thousands_move_at_once
        });
    };
    ($make:path; operations) => {
        $crate::contract_suite!(@named $make; operations {
            a_task_is_one_owner_s_until_its_time_passes
            how_far_a_task_is_outlives_its_owner
            plans_and_licenses_are_marked_once
            a_task_goes_to_one_of_many_and_so_does_a_mark
            renewals_of_a_span_of_time_are_due_unless_exempt_or_processed
            plans_that_ended_without_a_renewal_are_found
            live_licenses_are_read_one_part_after_another
            who_holds_nothing_else_of_the_customer_is_to_be_unlinked
            agreements_whose_plans_grow_are_found
            plans_that_auto_apply_are_found_since_when_they_last_began
            licenses_activated_long_ago_are_found_until_they_are_marked
            catalogs_in_use_are_told_with_the_plan_types_they_are_used_for
            a_unit_that_reads_takes_and_marks_nothing
        });
    };
    ($make:path; schedule) => {
        $crate::contract_suite!(@named $make; schedule {
            an_operation_s_schedule_comes_back_as_it_was_written
            scheduled_operations_are_listed_in_their_order
            an_operation_is_locked_before_it_is_written
            a_locked_operation_is_changed_by_one_after_another
            a_unit_that_reads_schedules_nothing
        });
    };
    ($make:path; purge) => {
        $crate::contract_suite!(@named $make; purge {
            licenses_of_plans_that_ended_long_ago_are_due
            licenses_revoked_or_assigned_long_ago_are_due_but_for_internal_plans
            what_is_due_goes_to_one_of_many
            licenses_deleted_long_ago_are_due_while_the_history_knows_somebody
            what_is_due_of_deleted_licenses_goes_to_one_of_many
            addresses_are_in_use_while_a_license_carries_them
            traces_of_licenses_are_erased_and_of_people_who_are_gone
            the_history_keeps_what_the_license_keeps
        });
    };
    ($make:path; users) => {
        $crate::contract_suite!(@named $make; users {
            a_user_is_remembered
            a_user_takes_over_what_the_next_token_says
            a_token_without_an_email_leaves_the_last_one
            roles_and_superusers_outlive_tokens
            an_unknown_user_is_not_found
        });
    };
    ($make:path; outbox) => {
        $crate::contract_suite!(@named $make; outbox {
            messages_wait_in_the_order_of_promising
            messages_that_wait_are_counted
            a_payload_waits_letter_by_letter
            a_message_need_not_be_about_a_plan
            messages_of_work_that_failed_do_not_wait
            words_are_stored_once_for_all_messages_that_have_them
            words_go_with_their_last_message
            words_of_an_earlier_version_stay_in_the_payload
        });
    };
    ($make:path; deliveries) => {
        $crate::contract_suite!(@named $make; deliveries {
            messages_are_claimed_in_the_order_of_promising
            a_lane_is_due_where_something_can_be_claimed
            what_is_claimed_is_nobody_else_s_until_the_claim_ends
            messages_of_a_license_are_claimed_one_after_another
            a_message_waits_for_an_earlier_one_that_has_yet_to_come_to_its_lane
            a_message_waits_for_none_that_has_left_its_lane
            a_parked_message_is_left_alone_and_holds_up_nobody
            what_failed_is_due_when_it_says
            what_a_claim_does_not_hold_stays_as_it_is
            a_plan_s_utilization_is_looked_at_once
            a_topic_that_is_not_known_is_claimed_as_such
            waiting_messages_are_listed
            a_backlog_tells_how_every_lane_stands
            a_message_keeps_what_it_was_promised_as_a_part_of
            parked_messages_are_tried_again
            messages_are_given_up
            messages_are_claimed_once_by_many
        });
    };
    ($make:path; webhooks) => {
        $crate::contract_suite!(@named $make; webhooks {
            a_webhook_comes_back_as_it_was_written
            events_are_promised_to_whoever_wants_them
            events_of_work_that_failed_are_not_promised
            events_of_a_license_are_claimed_one_after_another
            events_of_a_person_are_claimed_one_after_another
            endpoints_are_due_where_something_can_be_claimed
            what_a_claim_does_not_hold_of_webhooks_stays_as_it_is
            deliveries_are_listed_and_replayed
            a_backlog_tells_how_the_deliveries_to_all_endpoints_stand
            waiting_deliveries_are_counted_by_endpoint
            what_was_kept_for_too_long_is_dropped_and_counted
            an_event_keeps_what_it_was_promised_as_a_part_of
            old_deliveries_and_those_of_nobody_are_removed
            what_webhooks_are_told_of_a_retiree_is_deleted
            events_for_an_endpoint_are_claimed_once_by_many
        });
    };
    ($make:path; jobs) => {
        $crate::contract_suite!(@named $make; jobs {
            a_plan_has_one_job_of_each_kind
            the_oldest_job_is_claimed_first
            a_job_that_is_done_is_gone
            a_job_whose_work_failed_is_claimed_again
            a_job_that_was_postponed_lets_the_others_pass
            jobs_that_wait_are_counted_by_kind
            a_job_is_added_to_several_plans_at_once
            a_job_keeps_what_it_reminds_of_and_how_far_it_has_read
            a_job_that_waits_is_hurried
            a_job_is_removed
        });
    };
    ($make:path; history) => {
        $crate::contract_suite!(@named $make; history {
            every_version_of_a_row_is_kept_whole_the_newest_first
            history_is_read_part_by_part
            agreements_plans_and_products_have_a_history_too
            a_renewal_has_a_history_also_when_it_is_gone
            records_of_staff_have_a_history_also_when_they_are_gone
            what_never_existed_has_no_history
            a_row_is_found_as_it_was_at_a_moment
            of_several_changes_at_one_moment_the_last_counts
            many_licenses_are_found_as_they_were_at_a_moment
            licenses_written_after_a_moment_are_found_in_their_plan
            superseded_versions_are_removed_part_by_part
            utilization_stays_when_history_is_removed
            history_is_complete_since_the_latest_removal
        });
    };
    ($make:path; utilization) => {
        $crate::contract_suite!(@named $make; utilization {
            seats_are_counted_on_the_day_they_change
            changes_of_one_day_add_up
            adding_up_changes_no_sum
            a_count_is_exact_whatever_was_added_up
            a_count_is_exact_while_others_add_up
            a_day_ends_at_midnight_in_utc
            a_license_counts_in_a_plan_while_it_is_there
            a_deleted_license_counts_until_then
            only_who_activates_a_license_counts_as_an_activation
            delays_are_those_of_the_activations_of_a_period
            retiring_somebody_changes_nothing_of_what_was
            work_that_failed_counts_nothing
            the_seats_assigned_longest_ago_are_idle_longest
            what_many_change_at_once_is_all_counted
            thousands_are_counted_at_once
        });
    };
    ($make:path; deletions) => {
        $crate::contract_suite!(@named $make; deletions {
            an_agreement_is_deleted_with_its_message
            a_plan_tells_whether_a_license_was_ever_handed_out
            a_plan_is_deleted_unless_something_refers_to_it
            a_mark_of_a_plan_is_removed
            a_transfer_job_is_deleted
            notifications_that_match_are_deleted
            license_events_that_match_are_deleted
            sources_are_read_and_removed
        });
    };
    ($make:path; staff_actions) => {
        $crate::contract_suite!(@named $make; staff_actions {
            what_people_did_is_found_latest_first
            a_retired_user_is_named_in_no_action
            old_actions_are_removed_oldest_first
        });
    };
    ($make:path; staff_records) => {
        $crate::contract_suite!(@named $make; staff_records {
            a_role_is_given_once
            a_role_is_given_to_users_alone
            a_role_that_was_taken_is_gone
            roles_are_filtered_and_listed_part_by_part
            notifications_are_filtered_the_last_sent_first
            notifications_of_many_plans_are_found
            a_notification_that_is_sent_again_keeps_its_place_and_its_history
            what_was_done_for_licenses_is_noted_once
        });
    };
    ($make:path; idempotency) => {
        $crate::contract_suite!(@named $make; idempotency {
            the_first_request_of_a_key_is_claimed
            an_answer_comes_back_as_it_was_kept
            a_request_under_way_stands_until_its_lease_ends
            a_renewed_lease_lasts_longer
            an_answer_stands_until_it_expires
            a_released_key_is_free
            only_the_owner_of_a_request_writes_to_it
            expired_requests_are_removed
            a_user_has_room_for_so_many_bytes
            all_users_together_have_room_for_so_many_bytes
            what_is_replaced_or_removed_needs_no_room
        });
    };
    ($make:path; enrollment_jobs) => {
        $crate::contract_suite!(@named $make; enrollment_jobs {
            an_enrollment_comes_back_as_it_was_asked_for
            an_enrollment_is_written_anew
            an_enrollment_of_holders_may_name_anybody_while_it_lasts
            an_enrollment_gets_its_results
            an_enrollment_is_locked
            an_enrollment_of_work_that_failed_is_not_there
            enrollments_are_found_by_whom_they_name
        });
    };
    ($make:path; following) => {
        $crate::contract_suite!(@named $make; following {
            free_licenses_go_to_who_waits
            licenses_that_move_to_the_following_plan_take_the_place_of_their_copies
            a_retired_persons_licenses_go_to_who_waits
        });
    };
    ($make:path; concurrency) => {
        $crate::contract_suite!(@named $make; concurrency {
            no_license_is_claimed_twice
            claiming_gets_what_another_transaction_gives_back
            a_locked_plan_is_changed_by_one_after_another
            locked_agreements_and_products_are_changed_by_one_after_another
            a_license_is_taken_back_by_one_of_many
            a_learner_assigned_by_many_at_once_gets_one_license
            learners_who_are_assigned_alone_at_once_get_one_license_each
            five_seats_go_to_five_of_twelve_who_come_at_once
            a_learner_who_comes_twelve_times_at_once_gets_one_license
            a_learner_who_comes_under_two_addresses_at_once_gets_one_license
            a_learner_who_activates_two_licenses_at_once_keeps_one
            a_key_is_claimed_by_one_of_many
            a_user_who_comes_many_times_at_once_keeps_within_their_room
            a_plan_renewed_by_many_at_once_has_one_renewal
            a_renewal_processed_by_many_at_once_carries_over_once
            a_renewal_waits_for_an_assignment_that_has_begun
            claiming_waits_for_who_locked_the_licenses_and_sees_the_renewal
            who_comes_and_goes_while_the_plan_is_renewed_comes_and_goes_in_both_plans
            a_transfer_run_by_many_at_once_moves_once
            a_transfer_never_gives_a_learner_two_licenses
        });
    };
}
