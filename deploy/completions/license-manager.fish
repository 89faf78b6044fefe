# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_license_manager_global_optspecs
    string join \n config= h/help V/version
end

function __fish_license_manager_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_license_manager_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_license_manager_using_subcommand
    set -l cmd (__fish_license_manager_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c license-manager -n "__fish_license_manager_needs_command" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_needs_command" -s V -l version -d 'Print version'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "serve" -d 'Migrate the database and answer requests over HTTP; this is the default'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "worker" -d 'Deliver messages and run the schedule, without answering requests. Any number of workers share the work; `serve` is one too unless `worker.enabled` is false'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "outbox" -d 'List, retry or drop messages that wait for delivery'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "migrate" -d 'Migrate the database, then stop'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "backup" -d 'Copy the SQLite database, which may be in use, to a new file'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "check" -d 'Look for rows in the database that break a rule, and change nothing. Exits with 1 if there is one'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "doctor" -d 'Test the settings, the database and the upstream services, and change nothing. Sends a request to each service. Exits with 1 if something does not work'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "copy" -d 'Copy everything from a SQLite database to a new Postgres database. Stop the server first'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "import" -d 'Import everything from the MySQL or MariaDB database of the Django license manager into a new database. Until --finish, run it again to import what has changed. Only reads the source, and sends no mails'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "export" -d 'Export everything into an empty MySQL or MariaDB database of the Django license manager, or only what changed to the old one. Changes nothing in this service\'s database, and sends no mails'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "compare" -d 'Send the requests of the portals to this service and another one, and report where the answers differ. Changes nothing. Exits with 1 if answers differ'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "token" -d 'Print an access token for development, signed with the configured HS256 secret'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "seed" -d 'Add the initial rows to the database: plan types and products'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "superuser" -d 'Make a user a superuser, or undo it with --revoke; tokens cannot do this'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "config" -d 'Check and print the settings in force, without secrets, with the environment variable of each. Or translate the settings of the Django license manager'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "process-renewals" -d 'Process the renewals that take effect soon: each copies the licenses of its plan to the next plan'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "expire-subscriptions" -d 'Process expired plans: end enrollments in the LMS, mark the plan, then unlink learners whose licenses expired long ago'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "unlink-expired-licenses" -d 'Unlink learners from their customer 90 days after their licenses expired'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "retire-old-licenses" -d 'Remove personal data from licenses after the retention period of their agreement'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "process-auto-scalable-plans" -d 'Add licenses to current plans that are nearly used up, if their agreement has auto-scaling'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "send-license-utilization-emails" -d 'Mail admins how a plan is used, a week after it began to auto-apply licenses'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "trigger-event-for-licenses" -d 'Send an event for each license that was activated 180 days ago'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "validate-num-catalog-queries" -d 'Check that plans use at most as many catalog queries as there are plan types'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "clean-old-history" -d 'Remove history that is older than a number of days. The newest version of each record stays, and so does the last one before that time. Earlier moments can no longer be read or reverted to'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "seed-development-data" -d 'Create a customer with plans of every kind, for development'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "seed-enterprise-devstack-data" -d 'Create an agreement and a plan for a customer of the devstack'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "manufacture-data" -d 'Create customers, plans and licenses in any number, for development'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "provision" -d 'Create a plan\'s missing licenses. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "freeze" -d 'Delete a plan\'s unassigned licenses. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "transfer" -d 'Move licenses to another plan of the agreement. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "history" -d 'Show the history of a record, such as a plan or a license, newest change first'
complete -c license-manager -n "__fish_license_manager_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c license-manager -n "__fish_license_manager_using_subcommand serve" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand serve" -l demo -d 'Create a demo customer, and a signing secret for this run if none is configured'
complete -c license-manager -n "__fish_license_manager_using_subcommand serve" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand worker" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand worker" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -f -a "list" -d 'List messages, without personal data: the parked (dead-lettered) ones, or all'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -f -a "retry" -d 'Retry messages now. With ids, parked or not; otherwise parked ones only'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -f -a "drop" -d 'Delete messages, so that they are never delivered. With ids, parked or not; otherwise parked ones only'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and not __fish_seen_subcommand_from list retry drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -l topic -d 'Only list messages of this topic' -r -f -a "license_event\t''
assignment\t''
reminder\t''
activation\t''
auto_applied\t''
utilization_thresholds\t''
initial_utilization\t''
end_enrollments\t''
revocation_cap_mail\t''
bulk_enrollment\t''
enrollment_results_mail\t''
enrollment_results_file\t''
custom\t''"
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -l limit -d 'List at most this many' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -l output -d 'The output: a table for people, or a JSON list' -r -f -a "table\t'Columns, for people'
json\t'JSON, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -l all -d 'Also list messages that are still retried'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l topic -d 'All parked messages of this topic' -r -f -a "license_event\t''
assignment\t''
reminder\t''
activation\t''
auto_applied\t''
utilization_thresholds\t''
initial_utilization\t''
end_enrollments\t''
revocation_cap_mail\t''
bulk_enrollment\t''
enrollment_results_mail\t''
enrollment_results_file\t''
custom\t''"
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l all-parked -d 'All parked messages'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l topic -d 'All parked messages of this topic' -r -f -a "license_event\t''
assignment\t''
reminder\t''
activation\t''
auto_applied\t''
utilization_thresholds\t''
initial_utilization\t''
end_enrollments\t''
revocation_cap_mail\t''
bulk_enrollment\t''
enrollment_results_mail\t''
enrollment_results_file\t''
custom\t''"
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l all-parked -d 'All parked messages'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "list" -d 'List messages, without personal data: the parked (dead-lettered) ones, or all'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Retry messages now. With ids, parked or not; otherwise parked ones only'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Delete messages, so that they are never delivered. With ids, parked or not; otherwise parked ones only'
complete -c license-manager -n "__fish_license_manager_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c license-manager -n "__fish_license_manager_using_subcommand migrate" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand backup" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand backup" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand check" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand check" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand doctor" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand doctor" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -l from -d 'The database to copy: sqlite:PATH' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -l to -d 'The new database to fill: postgres://…; default: database.url of the settings' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l from -d 'The database to import: mysql://USER:PASSWORD@HOST/NAME; default: import.url of the settings. Without ?ssl-mode=DISABLED, a connection to another machine is encrypted and verified; ?ssl-ca=FILE names the certificate authority' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l report -d 'Write every row that a rule applies to into this CSV file; with --verify, every difference' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l verify -d 'Change nothing, and compare an imported database with its source, after the rules have mended the source\'s rows: every row, field by field. Exits with 1 if there is a difference'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l strict -d 'Import nothing if a license would lose its holder'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l force -d 'If a row was changed on both sides since the last import, replace it by the row of the source. Also import a source that has no agreements or no licenses any more, and delete them here'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l keep -d 'If a row was changed on both sides since the last import, keep the row here'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l finish -d 'End the import: nothing can be imported again, and the schedule and the operations run here. Does not read the source'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l to -d 'The database to write: mysql://USER:PASSWORD@HOST/NAME; default: export.url of the settings. Without ?ssl-mode=DISABLED, a connection to another machine is encrypted and verified; ?ssl-ca=FILE names the certificate authority' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l changes-since -d 'Write what changed since this time to the old database, if nobody has written to it since. Without it, write everything into an empty database' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l report -d 'Write every row that cannot be exported unchanged into this CSV file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l with -d 'The other service, such as https://old.example.com' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l server -d 'This service; default: the address of server.listen' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l token-file -d 'The file with an access token that both services accept. Its user must be an admin of the customers' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l plans -d 'Compare these plans; comma-separated; default: a sample of all plans that the token may read' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l sample -d 'The number of plans to compare, and the number of people of each plan' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l user-id -d 'The user\'s id in the LMS' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l email -d 'The user\'s email address' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l username -d 'The user name' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l role -d 'A role: NAME:UUID for one customer, NAME:* for all; can be repeated' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l lifetime-seconds -d 'The token\'s lifetime' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -l staff -d 'Make the user staff'
complete -c license-manager -n "__fish_license_manager_using_subcommand token" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand seed" -l demo -d 'Also create a small customer with plans and learners'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand superuser" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand superuser" -l revoke -d 'The user is no superuser any more'
complete -c license-manager -n "__fish_license_manager_using_subcommand superuser" -s h -l help -d 'Print help'
complete -c license-manager -n "__fish_license_manager_using_subcommand config" -l from-django -d 'Translate this YAML file of settings of the Django license manager, and list what was not understood. Secrets are not printed. Exits with 1 if a value is refused' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand config" -l output -d 'The output: a TOML file for --config, or environment variables' -r -f -a "toml\t'A TOML file for --config'
environment\t'Environment variables'"
complete -c license-manager -n "__fish_license_manager_using_subcommand config" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand process-renewals" -l processing-window-length-hours -d 'Process renewals that take effect within this many hours; default: operations.renewal_lock_hours' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand process-renewals" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand process-renewals" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand process-renewals" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand process-renewals" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l expired-after -d 'Process plans that expired at this time or later; default: a day before --expired-before' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l expired-before -d 'Process plans that expired at this time or earlier; default: now' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l subscription-uuids -d 'Process these plans, whenever they expired, and even if they are already processed; comma-separated' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l force -d 'Also process plans that are already processed. Named plans are processed in any case'
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand expire-subscriptions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand unlink-expired-licenses" -l enterprise-customer-uuids -d 'Process these customers instead of the configured ones; comma-separated' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand unlink-expired-licenses" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand unlink-expired-licenses" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand unlink-expired-licenses" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand unlink-expired-licenses" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand retire-old-licenses" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand retire-old-licenses" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand retire-old-licenses" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand retire-old-licenses" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand process-auto-scalable-plans" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand process-auto-scalable-plans" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand process-auto-scalable-plans" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand process-auto-scalable-plans" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand send-license-utilization-emails" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand send-license-utilization-emails" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand send-license-utilization-emails" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand send-license-utilization-emails" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand trigger-event-for-licenses" -l enterprise-customer-uuids -d 'Process these customers instead of the configured ones; comma-separated' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand trigger-event-for-licenses" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand trigger-event-for-licenses" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand trigger-event-for-licenses" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand trigger-event-for-licenses" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand validate-num-catalog-queries" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand validate-num-catalog-queries" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand validate-num-catalog-queries" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand validate-num-catalog-queries" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand clean-old-history" -l days -d 'Keep the history of this many days' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand clean-old-history" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand clean-old-history" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand clean-old-history" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand clean-old-history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-development-data" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-development-data" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-development-data" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-development-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l enterprise-customer-slug -d 'The customer\'s slug in the devstack' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l enterprise-customer-uuid -d 'The customer\'s id in the LMS; default: the existing one, or a new one' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l num-licenses -d 'The number of licenses of the plan' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand seed-enterprise-devstack-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l name -d 'The prefix of the customers\' slugs: `NAME-0` and so on. Existing customers are kept' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l customers -d 'The number of customers' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l plans -d 'The number of plans per customer' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l licenses -d 'The number of licenses per plan' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l assigned-percentage -d 'The percentage of licenses that are assigned' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -l dry-run -d 'Show what would be done and change nothing'
complete -c license-manager -n "__fish_license_manager_using_subcommand manufacture-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand provision" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand provision" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand provision" -l really -l no-dry-run -d 'Do it; without this, only show what would be done'
complete -c license-manager -n "__fish_license_manager_using_subcommand provision" -l dry-run -d 'Only show what would be done; this is the default'
complete -c license-manager -n "__fish_license_manager_using_subcommand provision" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand freeze" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand freeze" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand freeze" -l really -l no-dry-run -d 'Do it; without this, only show what would be done'
complete -c license-manager -n "__fish_license_manager_using_subcommand freeze" -l dry-run -d 'Only show what would be done; this is the default'
complete -c license-manager -n "__fish_license_manager_using_subcommand freeze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l from -d 'The plan to move licenses from' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l to -d 'The plan to move them to' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l license-uuids -d 'Move these licenses, if they are assigned or activated; comma-separated' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l notes -d 'Notes to keep with the transfer' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l transfer-all -d 'Move all licenses, whatever their status'
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l really -l no-dry-run -d 'Do it; without this, only show what would be done'
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -l dry-run -d 'Only show what would be done; this is the default'
complete -c license-manager -n "__fish_license_manager_using_subcommand transfer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand history" -l limit -d 'Show at most this many changes' -r
complete -c license-manager -n "__fish_license_manager_using_subcommand history" -l output -d 'The summary: lines for people, or one JSON object' -r -f -a "text\t'Lines, for people'
json\t'One JSON object, for programs'"
complete -c license-manager -n "__fish_license_manager_using_subcommand history" -l config -d 'Read settings from this TOML file' -r -F
complete -c license-manager -n "__fish_license_manager_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "serve" -d 'Migrate the database and answer requests over HTTP; this is the default'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "worker" -d 'Deliver messages and run the schedule, without answering requests. Any number of workers share the work; `serve` is one too unless `worker.enabled` is false'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "outbox" -d 'List, retry or drop messages that wait for delivery'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "migrate" -d 'Migrate the database, then stop'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "backup" -d 'Copy the SQLite database, which may be in use, to a new file'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "check" -d 'Look for rows in the database that break a rule, and change nothing. Exits with 1 if there is one'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "doctor" -d 'Test the settings, the database and the upstream services, and change nothing. Sends a request to each service. Exits with 1 if something does not work'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "copy" -d 'Copy everything from a SQLite database to a new Postgres database. Stop the server first'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "import" -d 'Import everything from the MySQL or MariaDB database of the Django license manager into a new database. Until --finish, run it again to import what has changed. Only reads the source, and sends no mails'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "export" -d 'Export everything into an empty MySQL or MariaDB database of the Django license manager, or only what changed to the old one. Changes nothing in this service\'s database, and sends no mails'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "compare" -d 'Send the requests of the portals to this service and another one, and report where the answers differ. Changes nothing. Exits with 1 if answers differ'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "token" -d 'Print an access token for development, signed with the configured HS256 secret'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "seed" -d 'Add the initial rows to the database: plan types and products'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "superuser" -d 'Make a user a superuser, or undo it with --revoke; tokens cannot do this'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "config" -d 'Check and print the settings in force, without secrets, with the environment variable of each. Or translate the settings of the Django license manager'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "process-renewals" -d 'Process the renewals that take effect soon: each copies the licenses of its plan to the next plan'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "expire-subscriptions" -d 'Process expired plans: end enrollments in the LMS, mark the plan, then unlink learners whose licenses expired long ago'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "unlink-expired-licenses" -d 'Unlink learners from their customer 90 days after their licenses expired'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "retire-old-licenses" -d 'Remove personal data from licenses after the retention period of their agreement'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "process-auto-scalable-plans" -d 'Add licenses to current plans that are nearly used up, if their agreement has auto-scaling'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "send-license-utilization-emails" -d 'Mail admins how a plan is used, a week after it began to auto-apply licenses'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "trigger-event-for-licenses" -d 'Send an event for each license that was activated 180 days ago'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "validate-num-catalog-queries" -d 'Check that plans use at most as many catalog queries as there are plan types'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "clean-old-history" -d 'Remove history that is older than a number of days. The newest version of each record stays, and so does the last one before that time. Earlier moments can no longer be read or reverted to'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "seed-development-data" -d 'Create a customer with plans of every kind, for development'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "seed-enterprise-devstack-data" -d 'Create an agreement and a plan for a customer of the devstack'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "manufacture-data" -d 'Create customers, plans and licenses in any number, for development'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "provision" -d 'Create a plan\'s missing licenses. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "freeze" -d 'Delete a plan\'s unassigned licenses. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "transfer" -d 'Move licenses to another plan of the agreement. Shows what it would do; does it with --really'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "history" -d 'Show the history of a record, such as a plan or a license, newest change first'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and not __fish_seen_subcommand_from serve worker outbox migrate backup check doctor copy import export compare token seed superuser config process-renewals expire-subscriptions unlink-expired-licenses retire-old-licenses process-auto-scalable-plans send-license-utilization-emails trigger-event-for-licenses validate-num-catalog-queries clean-old-history seed-development-data seed-enterprise-devstack-data manufacture-data provision freeze transfer history help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and __fish_seen_subcommand_from outbox" -f -a "list" -d 'List messages, without personal data: the parked (dead-lettered) ones, or all'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and __fish_seen_subcommand_from outbox" -f -a "retry" -d 'Retry messages now. With ids, parked or not; otherwise parked ones only'
complete -c license-manager -n "__fish_license_manager_using_subcommand help; and __fish_seen_subcommand_from outbox" -f -a "drop" -d 'Delete messages, so that they are never delivered. With ids, parked or not; otherwise parked ones only'
