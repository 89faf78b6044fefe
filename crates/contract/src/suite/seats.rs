//! The obligations of a store for assigning, activating and revoking.

/// The group `seats` of [`contract_suite!`](crate::contract_suite).
#[doc(hidden)] // called by `contract_suite!`
#[macro_export]
macro_rules! contract_suite_seats {
    ($make:path) => {
        mod seats {
            use super::*;

            $crate::contract_suite_group!($make; units_of_work);
            $crate::contract_suite!(@named $make; agreements {
                an_agreement_comes_back_as_it_was_written
            });
            $crate::contract_suite!(@named $make; plans {
                writing_a_plan_is_recorded_with_its_reason
                writing_a_plan_that_does_not_exist_fails
                all_plans_of_agreements_are_found
                an_unknown_plan_is_neither_found_nor_locked
            });
            $crate::contract_suite!(@named $make; license_reads {
                licenses_without_an_order_come_by_id
                plans_are_counted_exactly
                all_licenses_of_a_person_are_locked_across_agreements
                licenses_that_name_nobody_are_not_locked_for_anybody
                only_live_licenses_hold_an_email
                live_licenses_of_emails_are_locked
                live_licenses_are_locked_up_to_a_limit
                live_licenses_are_locked_one_part_after_another
            });
            $crate::contract_suite!(@named $make; license_writes {
                new_licenses_are_unassigned_and_recorded
                licenses_come_back_as_they_were_written
                writing_licenses_is_recorded
                writing_a_license_that_does_not_exist_fails_and_changes_nothing
                a_person_has_one_live_license_of_a_plan
                a_person_who_lost_a_license_can_get_another
                unassigned_licenses_are_claimed_in_the_order_of_their_ids
                fewer_are_claimed_only_where_the_plan_has_fewer
                what_is_left_is_claimed_after_other_licenses
                licenses_are_claimed_for_those_who_have_none
            });
            $crate::contract_suite!(@named $make; outbox {
                messages_wait_in_the_order_of_promising
                a_payload_waits_letter_by_letter
                messages_of_work_that_failed_do_not_wait
            });
            $crate::contract_suite!(@named $make; concurrency {
                no_license_is_claimed_twice
                claiming_gets_what_another_transaction_gives_back
                a_locked_plan_is_changed_by_one_after_another
                a_license_is_taken_back_by_one_of_many
                a_learner_assigned_by_many_at_once_gets_one_license
                learners_who_are_assigned_alone_at_once_get_one_license_each
            });
        }
    };
}
