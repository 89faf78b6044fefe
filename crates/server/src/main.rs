//! The `license-manager` program: reads the command line and the configuration, and does what it was asked to.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use chrono::Utc;
use clap::Parser;
use license_manager::auth::mint::DevelopmentToken;
use license_manager::cli::{Cli, Command};
use license_manager::config::Config;

fn main() -> ExitCode {
    match act(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("license-manager: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: Cli) -> Result<(), Box<dyn Error>> {
    let config = Config::load(cli.config.as_deref(), environment())?;
    match cli.into_command() {
        Command::Token(arguments) => {
            let token = DevelopmentToken::from(arguments).mint(&config.auth, Utc::now())?;
            writeln!(std::io::stdout(), "{token}")?;
            Ok(())
        }
        Command::Config => Ok(write!(std::io::stdout(), "{}", config.effective())?),
        command => run(command, config),
    }
}

/// Does what needs the database: serve, migrate, seed.
fn run(_command: Command, _config: Config) -> Result<(), Box<dyn Error>> {
    Err("not wired".into())
}

/// The environment as text; what is not valid UTF-8 is made so, for the configuration to judge.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}
