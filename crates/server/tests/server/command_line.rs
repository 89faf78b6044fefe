use std::path::PathBuf;
use std::process;

use clap::CommandFactory;
use license_manager::auth::mint::DevelopmentToken;
use license_manager::cli::{Cli, Command, OutboxCommand, SeedArguments, ServeArguments};

fn parse(line: &str) -> Result<Cli, String> {
    Cli::read(line.split_whitespace()).map_err(|error| error.to_string())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_the_default_command() {
    let command = |line| parse(line).unwrap().into_command();
    assert!(matches!(command("license-manager"), Command::Serve(ServeArguments { demo: false })));
    assert!(matches!(command("license-manager serve --demo"), Command::Serve(ServeArguments { demo: true })));
    assert!(matches!(command("license-manager seed --demo"), Command::Seed(SeedArguments { demo: true })));
    assert!(matches!(command("license-manager migrate"), Command::Migrate));
}

#[test]
fn a_command_answers_to_its_name_with_underscores() {
    for command in Cli::command().get_subcommands() {
        let hyphens = command.get_name();
        // Enough is missing from some lines; none may be an unknown command.
        for name in [hyphens.to_owned(), hyphens.replace('-', "_")] {
            let refused = parse(&format!("license-manager {name}")).err().unwrap_or_default();
            assert!(!refused.contains("unrecognized"), "{name}: {refused}");
        }
    }
    for line in ["process_renewals --dry-run", "expire_subscriptions --force", "validate_num_catalog_queries"] {
        let command = parse(&format!("license-manager {line}")).unwrap().into_command();
        assert!(matches!(command, Command::Operation(_)), "{line}");
    }
    assert!(parse("license-manager process_renewal").is_err());
}

#[test]
fn a_command_is_named_without_its_arguments() {
    for (line, name) in [
        ("license-manager", ""),
        ("license-manager --config a.toml superuser amy", "superuser"),
        ("license-manager outbox list --all", "outbox list"),
        ("license-manager process_renewals --dry-run", "process-renewals"),
    ] {
        assert_eq!(parse(line).unwrap().name(), name, "{line}");
    }
}

#[test]
fn the_configuration_file_can_be_named_before_and_after_the_command() {
    for line in ["license-manager --config a.toml config", "license-manager config --config a.toml"] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.config, Some(PathBuf::from("a.toml")));
        assert!(matches!(cli.into_command(), Command::Config(_)));
    }
    assert!(parse("license-manager --config a.toml").unwrap().config.is_some());
}

#[test]
fn addresses_of_databases_are_not_repeated() {
    for line in ["license-manager copy --from mysql:secret", "license-manager copy --from a --to mysql://a:secret@b/c"]
    {
        let cli = parse(line).unwrap();
        assert!(!format!("{cli:?}").contains("secret"), "{cli:?}");
    }
    let refused = parse("license-manager copy --to postgres://a:secret@b/c").unwrap_err();
    assert!(refused.contains("--from") && !refused.contains("secret"), "{refused}");
}

#[test]
fn messages_are_named_by_ids_or_by_topic_or_all_of_them() {
    let meant = |line: &str| match parse(line)?.into_command() {
        Command::Outbox(OutboxCommand::Retry(selection) | OutboxCommand::Drop(selection)) => Ok(selection),
        _ => Err("another command".to_owned()),
    };
    let id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(meant(&format!("license-manager outbox retry {id} {id}")).unwrap().ids.len(), 2);
    assert!(meant("license-manager outbox retry --all-parked").unwrap().all_parked);
    assert_eq!(meant("license-manager outbox drop --topic reminder").unwrap().topic.unwrap(), "reminder");
    assert!(meant("license-manager outbox drop --topic remind").is_err(), "a slip drops nothing");
    assert!(meant("license-manager outbox drop").is_err());
    assert!(meant(&format!("license-manager outbox drop --all-parked {id}")).is_err());
    assert!(meant("license-manager outbox drop 1").is_err());
}

#[test]
fn a_token_takes_any_number_of_roles() {
    let line = "license-manager token --user-id 7 --email a@x.org --username ada --role a:* --role b:* --staff";
    let Command::Token(arguments) = parse(line).unwrap().into_command() else { panic!("not a token") };
    let token = DevelopmentToken::from(arguments);
    assert_eq!((token.user_id, token.is_staff, token.lifetime_seconds), (7, true, 3600));
    assert_eq!(token.roles, ["a:*", "b:*"]);
    assert!(parse("license-manager token --user-id x --email a --username b").is_err());
    assert!(parse("license-manager token --user-id 1").unwrap_err().contains("--email"));
    assert!(parse("license-manager token --user-id 1 --email a --username b --lifetime-seconds 0").is_err());
}

#[test]
fn the_configuration_of_a_mail_server_is_shown_and_checked() {
    let ran = process::Command::new(env!("CARGO_BIN_EXE_license-manager"))
        .arg("config")
        .env_clear()
        .env("LM_SMTP__URL", "smtps://u:hunter2@mail.example")
        .env("LM_SMTP__FROM", "a@b.co")
        .output()
        .unwrap();
    let (shown, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!((ran.status.code(), told.as_ref()), (Some(0), ""));
    assert!(shown.contains("smtps://***@mail.example") && !shown.contains("hunter2"), "{shown}");
}
