//! The `license-manager` program: reads the command line and the configuration and runs the command.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use license_manager::auth::mint::DevelopmentToken;
use license_manager::cli::doctor::doctor;
use license_manager::cli::operations::{self, CommandError};
use license_manager::cli::{Cli, Command, ConfigArguments};
use license_manager::cli::{demo, outbox};
use license_manager::config::{Config, DjangoSettings};
use license_manager::database::{Database, seed_products};
use license_manager::serve;
use license_manager::system::SystemClock;
use license_manager::telemetry::work_traces::Work;
use license_manager::telemetry::{logging, traces};
use license_manager::upstreams::Upstreams;
use license_manager_domain::ports::Clock as _;

/// Returns freed memory to the system; see docs/ARCHITECTURE.md, "Memory".
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("license-manager: {}", in_one_line(&error));
            return ExitCode::from(WRONG_ARGUMENTS);
        }
        Err(help) => help.exit(),
    };
    match act(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("license-manager: {error}");
            match error.downcast_ref::<CommandError>() {
                Some(CommandError::Arguments(_)) => ExitCode::from(WRONG_ARGUMENTS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// The exit status for invalid arguments.
const WRONG_ARGUMENTS: u8 = 2;

/// clap's message without the usage below it.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines =
        text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let words: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

fn act(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::load(cli.config.as_deref(), environment());
    let name = cli.name().to_owned();
    let command = cli.into_command();
    if let Command::Doctor(arguments) = &command {
        // Its findings are its output; no log stands in between.
        return Ok(match doctor(config, arguments, &mut std::io::stdout())? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        });
    }
    let mut config = config?;
    match command {
        Command::Doctor(_) => {}
        Command::Config(ConfigArguments { from_django: Some(file), output }) => {
            let settings = DjangoSettings::read(&file)?;
            write!(std::io::stdout(), "{}", settings.page(output))?;
            if settings.has_refused() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Token(arguments) => {
            let token = DevelopmentToken::from(arguments).mint(&config.auth, SystemClock.now())?;
            writeln!(std::io::stdout(), "{token}")?;
        }
        Command::Config(_) => {
            write!(std::io::stdout(), "{}", config.effective())?;
            // Also checks the upstreams, because a server would not start with incomplete ones.
            // They end inside of the runtime, as connections to a mail server must.
            actix_web::rt::System::new().block_on(async { Upstreams::from_config(&config).map(drop) })?;
        }
        Command::Serve(arguments) => {
            logging::init(&config.logging)?;
            let _traces = traces::start(&config.telemetry)?;
            if arguments.demo {
                demo::prepare(&mut config)?;
            }
            actix_web::rt::System::new().block_on(serve::run(config, arguments.demo))?;
        }
        Command::Worker => {
            logging::init(&config.logging)?;
            let _traces = traces::start(&config.telemetry)?;
            actix_web::rt::System::new().block_on(serve::run_worker(config))?;
        }
        once => return run_once(&config, &name, once),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that does its work and stops, as a trace of its own.
fn run_once(config: &Config, name: &str, command: Command) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(&config.logging)?;
    let _traces = traces::start(&config.telemetry)?;
    let work = Work::command(name);
    let _traced = work.context().attach();
    let done = do_once(config, command);
    if !matches!(done, Ok(true)) {
        work.failed();
    }
    Ok(if done? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does the work of a command. Returns `false` if its output tells of a failure.
fn do_once(config: &Config, command: Command) -> Result<bool, Box<dyn Error>> {
    let mut out = std::io::stdout();
    match command {
        Command::Outbox(command) => {
            let database = Database::open_existing(config).map_err(|error| error.to_string())?;
            database.migrate()?;
            outbox::run(&database.manager(config), command, &mut out)?;
        }
        Command::Migrate => Database::open(config).map_err(|error| error.to_string())?.migrate()?,
        Command::Backup(arguments) => operations::backup(config, &arguments, &mut out)?,
        Command::Check(arguments) => return Ok(operations::check(config, &arguments, &mut out)?),
        Command::Copy(arguments) => operations::copy(config, &arguments, &mut out)?,
        Command::Import(arguments) => return Ok(operations::import(config, &arguments, &mut out)?),
        Command::Export(arguments) => return Ok(operations::export(config, &arguments, &mut out)?),
        Command::Compare(arguments) => return Ok(operations::compare(config, &arguments, &mut out)?),
        Command::Seed(arguments) => {
            let database = Database::open(config).map_err(|error| error.to_string())?;
            database.migrate()?;
            let manager = database.manager(config);
            if manager.is_importing()? {
                let problem = "nothing was added: this database is still imported again from the Django service, which \
                               has the products. `license-manager import --finish` ends that";
                return Err(CommandError::Failed(problem.to_owned()).into());
            }
            seed_products(&manager)?;
            match arguments.demo {
                true => writeln!(out, "{}", demo::seed(&manager)?)?,
                false => writeln!(out, "the products and plan types are there")?,
            }
        }
        Command::Superuser(arguments) => {
            let database = Database::open_existing(config).map_err(|error| error.to_string())?;
            database.migrate()?;
            let manager = database.manager(config);
            let name = &arguments.username;
            let status = match arguments.revoke {
                false => {
                    manager.make_superuser(name)?;
                    "is a superuser"
                }
                true if manager.unmake_superuser(name)? => "is no superuser any more",
                true => return Err(CommandError::Arguments(format!("there is no user {name}")).into()),
            };
            tracing::info!(user = name, status, "the superuser status was changed");
            writeln!(out, "{name} {status}")?;
        }
        Command::Operation(command) => return Ok(operations::run(config, command, &mut out)?),
        // They were run before.
        Command::Serve(_) | Command::Worker | Command::Doctor(_) | Command::Config(_) | Command::Token(_) => {}
    }
    Ok(true)
}

/// The environment as text. Invalid UTF-8 is replaced, and the configuration rejects it.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}
