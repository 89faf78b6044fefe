//! The storage contract: what every [`Store`] must do, whatever it stores in.
//!
//! Each function is one obligation of `license_manager_domain::ports`. An adapter passes the suite with
//!
//! ```ignore
//! mod contract;
//! contract_suite!(make_database);
//! ```
//!
//! where `make_database()` returns a [`Database`] of its own, empty and migrated, for each test.

pub mod agreements;
pub mod concurrency;
pub mod fixtures;
pub mod jobs;
pub mod license_reads;
pub mod license_writes;
pub mod outbox;
pub mod plans;
pub mod products;
pub mod renewals;
pub mod transfers;
pub mod units_of_work;
pub mod users;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, LicenseId};

/// A store, and what its ports do not show or cannot add.
pub trait Database: Sync {
    /// The store under test.
    fn store(&self) -> Arc<dyn Store>;

    /// What the history of a table says about a row, the oldest first.
    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry>;

    /// The messages that wait, in the order of promising.
    fn outbox(&self) -> Vec<Waiting>;

    /// The Salesforce opportunity noted for a license.
    fn source(&self, license: LicenseId) -> Option<String>;

    /// Gives a user that exists a role.
    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>);

    /// Makes a user that exists a superuser.
    fn make_superuser(&self, username: &str);
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub kind: char,
    pub user: Option<String>,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

/// One message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub topic: String,
    pub license: Option<LicenseId>,
    pub payload: String,
}

/// Makes a test of every obligation, each on a database of its own.
#[macro_export]
macro_rules! contract_suite {
    ($make:path) => {
        $crate::contract_suite!(@tests $make;
            units_of_work {
                work_that_returns_ok_is_committed
                work_that_returns_an_error_leaves_nothing_behind
                work_that_panics_leaves_nothing_behind_and_the_store_usable
                a_transaction_sees_its_own_writes
                a_unit_that_reads_refuses_every_write
                a_unit_that_reads_refuses_locks
                a_store_that_works_answers_a_ping
            }
            products {
                a_product_comes_back_with_its_plan_type
                an_unknown_product_is_not_found
                seeding_again_changes_nothing
                seeding_adds_what_is_missing_and_leaves_what_exists
            }
            agreements {
                an_agreement_comes_back_as_it_was_written
                an_agreement_without_anything_agreed_comes_back_so
                an_agreement_is_found_by_its_customer
                every_field_of_an_agreement_can_be_changed_and_emptied
                an_expiration_message_comes_changes_and_goes
                writing_an_agreement_is_recorded
                writing_an_agreement_that_does_not_exist_fails
                a_customer_has_one_agreement
                a_slug_names_one_customer
                agreements_are_listed_in_the_order_of_their_ids_part_by_part
                agreements_are_filtered
            }
            plans {
                a_plan_comes_back_with_its_surroundings
                every_field_of_a_plan_can_be_changed_and_emptied
                writing_a_plan_is_recorded_with_its_reason
                writing_a_plan_that_does_not_exist_fails
                a_title_names_one_plan_of_an_agreement
                plans_are_listed_the_latest_start_first_part_by_part
                plans_are_filtered
                a_plan_is_current_from_its_start_to_its_expiration_both_included
                all_plans_of_agreements_are_found
                an_unknown_plan_is_neither_found_nor_locked
                all_plans_of_an_agreement_but_one_stop_auto_applying
            }
            license_reads {
                licenses_are_sorted_by_status_then_email_then_id
                absent_values_come_first_ascending_and_last_descending
                what_the_keys_leave_equal_is_sorted_by_id_upwards
                licenses_without_an_order_come_by_id
                licenses_are_listed_part_by_part
                licenses_are_filtered_by_status
                every_word_must_be_in_the_email_whatever_the_case
                a_word_is_taken_letter_by_letter
                retired_licenses_can_be_hidden
                licenses_are_counted_as_they_are_listed
                plans_are_counted_exactly
                handed_out_licenses_are_paged_by_id
                a_person_is_found_by_email_and_by_lms_id_within_the_agreement
                an_unknown_lms_id_matches_nothing
                an_email_is_found_in_its_plan_whatever_its_case
                an_activation_key_finds_licenses_with_their_plans
                all_licenses_of_a_person_are_locked_across_agreements
                only_live_licenses_hold_an_email
                live_licenses_of_emails_are_locked
                live_licenses_are_locked_up_to_a_limit
            }
            license_writes {
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
                sources_are_noted_and_replaced
                nothing_to_write_is_nothing_written
                thousands_are_written_at_once
            }
            renewals {
                a_renewal_without_a_plan_ends_as_agreed
                a_renewal_with_a_plan_ends_with_that_plan
                renewals_are_found_by_agreement
                a_renewal_comes_back_with_its_surroundings
                every_term_of_a_renewal_can_be_changed_and_emptied
                writing_a_renewal_is_recorded
                writing_a_renewal_that_does_not_exist_fails
                a_plan_is_renewed_once_and_follows_one_other
                renewals_are_found_by_either_plan
                renewals_are_listed_the_latest_first_part_by_part
                renewals_are_filtered
                an_id_is_not_given_to_another_renewal
            }
            transfers {
                a_transfer_job_comes_back_as_it_was_made
                the_runs_of_a_transfer_job_are_kept_in_their_order
                writing_a_transfer_job_is_recorded
                transfer_jobs_are_listed_the_latest_first_and_filtered
                the_licenses_of_an_order_are_live_ones_that_are_named_or_all
                who_holds_a_live_license_of_both_plans_is_found
                licenses_move_and_stay_as_they_are
                licenses_that_cannot_move_stay_all_of_them
                thousands_move_at_once
            }
            users {
                a_user_is_remembered
                a_user_takes_over_what_the_next_token_says
                a_token_without_an_email_leaves_the_last_one
                roles_and_superusers_outlive_tokens
                an_unknown_user_is_not_found
            }
            outbox {
                messages_wait_in_the_order_of_promising
                a_payload_waits_letter_by_letter
                messages_of_work_that_failed_do_not_wait
            }
            jobs {
                a_plan_has_one_job_of_each_kind
                the_oldest_job_is_claimed_first
                a_job_that_is_done_is_gone
                a_job_whose_work_failed_is_claimed_again
            }
            concurrency {
                no_license_is_claimed_twice
                claiming_gets_what_another_transaction_gives_back
                a_locked_plan_is_changed_by_one_after_another
                a_license_is_taken_back_by_one_of_many
                a_learner_assigned_by_many_at_once_gets_one_license
                a_plan_renewed_by_many_at_once_has_one_renewal
                a_renewal_processed_by_many_at_once_carries_over_once
                a_transfer_run_by_many_at_once_moves_once
                a_transfer_never_gives_a_learner_two_licenses
            }
        );
    };
    (@tests $make:path; $($module:ident { $($name:ident)* })*) => {
        $(mod $module {
            use super::*;

            $(#[test]
            fn $name() {
                $crate::contract::$module::$name(&$make());
            })*
        })*
    };
}
