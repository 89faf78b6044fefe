//! Runs the server or a worker until it is stopped.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{App, HttpServer, web};
use license_manager_adapters::http::{Timeouts, client};
use license_manager_domain::ports::Clock as _;
use license_manager_domain::{Error as DomainError, LicenseManager};
use tokio::sync::{Notify, watch};

use crate::api;
use crate::app::app;
use crate::auth::mint::DevelopmentToken;
use crate::background::queue::Background;
use crate::background::store::BackgroundStore;
use crate::background::{deliveries, jobs, schedule};
use crate::cli::demo;
use crate::config::{Config, DEFAULT_DATABASE_FILE, Secret};
use crate::console::console;
use crate::database::{Database, MigrationError, seed_products};
use crate::http::sending;
use crate::http::turns::Turns;
use crate::state::AppState;
use crate::system::SystemClock;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::monitor::Monitor;
use crate::upstreams::Upstreams;

/// The pause before trying an unreachable database again.
const RETRY: Duration = Duration::from_secs(1);

/// The lifetime of the demo's tokens in seconds: a day.
const DEMO_TOKEN_LIFETIME: u32 = 24 * 60 * 60;

/// Serves until SIGTERM or Ctrl-C, then finishes running requests. With `with_demo`, creates the demo customer and
/// prints the walkthrough.
pub async fn run(config: Config, with_demo: bool) -> Result<(), Box<dyn Error>> {
    if config.database.url.is_none() {
        tracing::info!("no database is configured: using SQLite in {DEFAULT_DATABASE_FILE}");
    }
    warn_of_settings(&config);
    let database = Arc::new(Database::open(&config).map_err(|error| error.to_string())?);
    let metrics = Arc::new(Metrics::new()?);
    let manager = Upstreams::watched(&config, Some(metrics.call_listener()))?.of(database.manager(&config));
    let replicated = database.replica(&config)?.map(Arc::new);
    let monitor = Monitor::new(&config, metrics.clone(), database.clone(), manager.clone());
    let monitor = Arc::new(monitor.with_replica(replicated.as_ref().map(|replicated| replicated.replica().clone())));
    let wake_jobs = Arc::new(Notify::new());
    let state = AppState::new(&config, manager.clone(), monitor.clone(), wake_jobs.clone()).await?;
    let state = state.with_replica(replicated.clone());
    let background = BackgroundStore::manager(&manager, state.turns.clone());
    let prolonging = BackgroundStore::prolonging(&manager, state.turns.clone());
    let state = web::Data::new(state);
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism()?.get(),
        workers => workers,
    };
    let watched =
        config.metrics.listen.map(|address| watched("metrics.listen", address, &config, &monitor)).transpose()?;
    let client = client(Timeouts::default())?.with_listener(metrics.call_listener());
    let console = console(&config, &manager, &database, &state, client, with_demo);
    let server = HttpServer::new(move || app(state.clone(), console.clone()))
        .on_connect(sending::limit_connection(config.server.client_timeout()))
        .workers(workers)
        // As many as can have a turn at the database, or have something else to do.
        .worker_max_blocking_threads(Turns::number(&config.database) + config.server.large_bodies_at_once + 2)
        .shutdown_timeout(config.server.shutdown_timeout_seconds)
        // The end of an answer does not wait for the client to acknowledge its beginning.
        .tcp_nodelay(true)
        .disable_signals()
        .bind(config.server.listen)
        .map_err(|error| format!("server.listen: cannot listen on {}: {error}", config.server.listen))?;
    let address = server.addrs().first().map_or_else(String::new, |address| format!("http://{address}"));
    // Monitoring requests are answered while the database is still unreachable.
    let mut server = server.run();
    // Scheduled runs stop after their current batch while running requests finish.
    let (stop_scheduler, scheduler_stopped) = watch::channel(false);
    let delay = Duration::from_secs(config.server.shutdown_delay_seconds);
    stop_on_signal(server.handle(), delay, monitor.clone(), stop_scheduler.clone());
    tokio::select! {
        prepared = prepare(database, manager.clone()) => prepared?,
        stopped = &mut server => {
            tracing::info!("stopped before the database was migrated");
            return Ok(stopped?);
        }
    }
    let (stop_jobs, stopped) = watch::channel(false);
    if let Some(replicated) = &replicated {
        replicated.watch()?;
    }
    let job_runner = jobs::start(background.clone(), prolonging.clone(), wake_jobs, stopped.clone());
    let sweeper = jobs::start_sweeping(background.clone(), stopped.clone());
    let folder = jobs::start_folding(background.clone(), &config.database.url_or_default(), stopped.clone());
    let scheduler = schedule::start(&background, &config, scheduler_stopped);
    let worker = config.worker.enabled.then(|| deliveries::start(&background, &prolonging, &config, metrics, stopped));
    monitor.started();
    tracing::info!(address, "ready");
    if with_demo {
        print_demo(&config, manager, &address).await?;
    }
    server.await?;
    stop_jobs.send_replace(true);
    stop_scheduler.send_replace(true);
    job_runner.await?;
    sweeper.await?;
    folder.await?;
    finish(worker, scheduler).await;
    if let Some(watched) = watched {
        watched.stop(false).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Logs what operators should know about their settings.
fn warn_of_settings(config: &Config) {
    let auth = &config.auth;
    if auth.retirement_worker.is_none() {
        tracing::info!("auth.retirement_worker is not set: only superusers may retire people");
    }
    for issuer in auth.all_issuers() {
        if issuer.audience.is_none() {
            tracing::warn!(issuer = issuer.issuer, "tokens of this issuer are accepted for any audience");
        }
        if issuer.hs256_secret.is_some_and(|secret| secret.is_short()) {
            tracing::warn!(issuer = issuer.issuer, "the HS256 secret of this issuer is shorter than 32 bytes");
        }
    }
    if auth.subsidy_checksum_secret.as_ref().is_some_and(Secret::is_short) {
        tracing::warn!("auth.subsidy_checksum_secret is shorter than 32 bytes");
    }
}

/// Delivers messages and runs the schedule until SIGTERM or Ctrl-C, then finishes the current batches. Answers no
/// requests.
pub async fn run_worker(config: Config) -> Result<(), Box<dyn Error>> {
    let database = Arc::new(Database::open(&config).map_err(|error| error.to_string())?);
    let metrics = Arc::new(Metrics::new()?);
    let manager = Upstreams::watched(&config, Some(metrics.call_listener()))?.of(database.manager(&config));
    let monitor = Arc::new(Monitor::new(&config, metrics.clone(), database.clone(), manager.clone()));
    let watched = config.metrics.worker_listen;
    let watched =
        watched.map(|address| self::watched("metrics.worker_listen", address, &config, &monitor)).transpose()?;
    tokio::select! {
        prepared = prepare(database, manager.clone()) => prepared?,
        signal = stop_signal() => return Ok(signal?),
    }
    let (stop, stopped) = watch::channel(false);
    let background = BackgroundStore::manager(&manager, monitor.turns.clone());
    let prolonging = BackgroundStore::prolonging(&manager, monitor.turns.clone());
    let scheduler = schedule::start(&background, &config, stopped.clone());
    let worker = deliveries::start(&background, &prolonging, &config, metrics, stopped);
    monitor.started();
    tracing::info!("ready: delivering");
    stop_signal().await?;
    tracing::info!("stopping: finishing the deliveries under way");
    monitor.stopping();
    stop.send_replace(true);
    finish(Some(worker), scheduler).await;
    if let Some(watched) = watched {
        watched.stop(false).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Waits for both at the same time, so that they share the time limit.
async fn finish(worker: Option<Background>, scheduler: Option<Background>) {
    tokio::join!(
        async {
            if let Some(worker) = worker {
                worker.finish().await;
            }
        },
        async {
            if let Some(scheduler) = scheduler {
                scheduler.finish().await;
            }
        }
    );
}

/// Answers requests for monitoring at an address of their own, on a thread of their own, until it is stopped.
fn watched(
    setting: &str,
    address: SocketAddr,
    config: &Config,
    monitor: &Arc<Monitor>,
) -> Result<ServerHandle, String> {
    let monitor = web::Data::from(monitor.clone());
    let app = move || {
        App::new()
            .app_data(monitor.clone())
            .app_data(api::metrics::ForMonitoring)
            .configure(api::monitoring::configure)
            .wrap(NormalizePath::new(TrailingSlash::Always))
    };
    let server = HttpServer::new(app)
        .on_connect(sending::limit_connection(config.server.client_timeout()))
        .workers(1)
        .disable_signals()
        .bind(address)
        .map_err(|error| format!("{setting}: cannot listen on {address}: {error}"))?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

/// Returns at the first SIGTERM or Ctrl-C.
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

/// Migrates the database, waiting until it can be reached.
async fn prepare(database: Arc<Database>, manager: LicenseManager) -> Result<(), Box<dyn Error>> {
    loop {
        let (database, manager) = (database.clone(), manager.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            database.migrate()?;
            Ok(seed_products(&manager)?)
        });
        match prepared.await? {
            Err(MigrationError::Failed(DomainError::Unavailable)) => {
                tracing::warn!("the database does not answer; retrying");
                tokio::time::sleep(RETRY).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Stops the server at the first SIGTERM or Ctrl-C, after running requests are finished. Before that it is not ready, and
/// goes on for the delay or until the next signal: connections that it has not read from yet are lost when it stops.
fn stop_on_signal(server: ServerHandle, delay: Duration, monitor: Arc<Monitor>, scheduler: watch::Sender<bool>) {
    tokio::spawn(async move {
        match stop_signal().await {
            Ok(()) => {
                monitor.stopping();
                scheduler.send_replace(true);
                if !delay.is_zero() {
                    tracing::info!(seconds = delay.as_secs(), "not ready any more: giving the proxy time to notice");
                    let _ = tokio::time::timeout(delay, stop_signal()).await;
                }
                tracing::info!("stopping: finishing the requests under way");
                server.stop(true).await;
            }
            Err(error) => tracing::error!(%error, "cannot listen for SIGTERM"),
        }
    });
}

async fn print_demo(config: &Config, manager: LicenseManager, address: &str) -> Result<(), Box<dyn Error>> {
    let seeded = tokio::task::spawn_blocking(move || {
        let seeded = demo::seed(&manager)?;
        demo::give_roles(&manager)?;
        Ok::<_, DomainError>(seeded)
    });
    let seeded = seeded.await??;
    let token = |user_id, email: &str, username: &str, roles| {
        let token = DevelopmentToken {
            user_id,
            email: email.to_owned(),
            username: username.to_owned(),
            roles,
            is_staff: false,
            lifetime_seconds: DEMO_TOKEN_LIFETIME,
        };
        token.mint(&config.auth, SystemClock.now())
    };
    let admin = token(1, "admin@example.com", "demo-admin", demo::admin_roles())?;
    let learner = token(2, demo::DEMO_LEARNER, "demo-learner", demo::learner_roles())?;
    println!("{}", demo::walk(address, &seeded, &admin, &learner));
    Ok(())
}
