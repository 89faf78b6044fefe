//! Runs the real server as a process.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{AUDIENCE, Client, ISSUER, PATIENCE, Person, Request, SECRET, poll};

/// The time limit of a start, with all migrations.
const START: Duration = Duration::from_secs(60);

/// The time limit of a stop.
const STOP: Duration = Duration::from_secs(60);

/// How many log lines a failing test shows.
const LOG_LINES: usize = 60;

/// A running server, killed when dropped.
pub struct Server {
    process: Child,
    program: PathBuf,
    port: u16,
    database_url: String,
    settings: Vec<(String, String)>,
    arguments: &'static [&'static str],
    folder: TempDir,
}

impl Server {
    /// Starts a server and waits until it is healthy.
    pub fn start(database_url: &str) -> Self {
        Self::start_with(database_url, &[])
    }

    /// Starts a server with more settings, as environment variables, and waits until it is healthy.
    pub fn start_with(database_url: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_as(&[], database_url, settings)
    }

    /// Starts a server with the demo customer, as `make run` does, and waits until it is healthy.
    pub fn start_demo(database_url: &str) -> Self {
        // An empty variable counts as not set; the demo creates its own secret.
        Self::start_as(&["serve", "--demo"], database_url, &[("LM_AUTH__HS256_SECRET", "")])
    }

    /// The same, with more settings.
    pub fn start_demo_with(database_url: &str, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<(&str, &str)> =
            [("LM_AUTH__HS256_SECRET", "")].into_iter().chain(settings.iter().copied()).collect();
        Self::start_as(&["serve", "--demo"], database_url, &settings)
    }

    /// Starts a server at a port that was chosen before, because its settings name it.
    pub fn start_at(port: u16, database_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn_at(port, &[], database_url, settings);
        server.wait_until_healthy();
        server
    }

    /// Starts a server without waiting for it: its database may be unreachable.
    pub fn start_without_waiting(database_url: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn_as(&[], database_url, settings)
    }

    /// Starts a server of another version, and waits until it is healthy. See [`Server::set_program`].
    pub fn start_program(program: PathBuf, database_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn_program(program, free_port(), &[], database_url, settings);
        server.wait_until_healthy();
        server
    }

    fn start_as(arguments: &'static [&'static str], database_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn_as(arguments, database_url, settings);
        server.wait_until_healthy();
        server
    }

    fn spawn_as(arguments: &'static [&'static str], database_url: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn_at(free_port(), arguments, database_url, settings)
    }

    fn spawn_at(port: u16, arguments: &'static [&'static str], database_url: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn_program(binary(), port, arguments, database_url, settings)
    }

    fn spawn_program(
        program: PathBuf,
        port: u16,
        arguments: &'static [&'static str],
        database_url: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let process = spawn(&program, port, database_url, &settings, arguments, folder.path());
        Self { process, program, port, database_url: database_url.to_owned(), settings, arguments, folder }
    }

    /// Runs a server that must stop by itself, and returns how it did.
    ///
    /// Panics if it still runs after a minute.
    pub fn start_refused(database_url: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Refusal {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let error_path = folder.path().join("stderr");
        let mut process = command(free_port(), database_url, folder.path())
            .args(arguments)
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&error_path).expect("a file is created"))
            .spawn()
            .expect("the server's process starts");
        let status = wait_for_exit(&mut process).unwrap_or_else(|| {
            process.kill().expect("the server is killed");
            process.wait().expect("the server is gone");
            panic!("the server runs with {settings:?} {arguments:?}")
        });
        Refusal { status, stderr: fs::read_to_string(error_path).expect("stderr is text") }
    }

    /// Its URL, such as `http://127.0.0.1:8080`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A client with a token of this person.
    pub fn client(&self, person: &Person) -> Client {
        Client::of(self.base(), person)
    }

    /// A client without credentials.
    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.base())
    }

    /// Its log so far, restarts included.
    pub fn log(&self) -> String {
        let log = fs::read(log_path(self.folder.path())).expect("the log is there");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The binary of its process.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Sets the binary that it restarts with.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("SIGTERM is sent");
    }

    /// Waits until it exits. Panics after a minute.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.process).expect("the server exits within a minute")
    }

    /// Sends SIGTERM and waits until it exits.
    pub fn stop_with_sigterm(&mut self) -> ExitStatus {
        self.terminate();
        self.wait_for_exit()
    }

    /// Lets it stand still, as a machine does that is overloaded, until [`Server::go_on`].
    pub fn stand_still(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).expect("SIGSTOP is sent");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).expect("SIGCONT is sent");
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("the server is killed");
        self.process.wait().expect("the server is gone");
    }

    /// Starts it again with the same settings and address; kills it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        self.process =
            spawn(&self.program, self.port, &self.database_url, &self.settings, self.arguments, self.folder.path());
        self.wait_until_healthy();
    }

    fn wait_until_healthy(&mut self) {
        let client = self.anonymous();
        let started = poll(START, || {
            if let Some(status) = self.process.try_wait().expect("the server has a status") {
                panic!("the server did not start: {status}");
            }
            let answer = client.try_send(Request::new("GET", "/health/")).ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(started.is_some(), "the server is not healthy after {START:?}");
    }
}

/// Other commands with the server's settings.
impl Server {
    /// Starts another process on the same database, such as a worker. It is killed when dropped.
    pub fn run_beside(&self, arguments: &[&str]) -> OtherProcess {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let log = File::create(log_path(folder.path())).expect("a log file is created");
        let process = self
            .command_with_settings(folder.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the process starts");
        OtherProcess { process, folder }
    }

    /// Runs a command on the same database until it ends.
    pub fn command(&self, arguments: &[&str]) -> Ran {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        Ran::of(self.command_with_settings(folder.path()).args(arguments))
    }

    fn command_with_settings(&self, folder: &Path) -> Command {
        let mut command = command(free_port(), &self.database_url, folder);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// The exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Runs a command on a database without a server until it ends.
    pub fn alone(database_url: &str, arguments: &[&str]) -> Self {
        Self::alone_with(database_url, arguments, &[])
    }

    /// The same, with more settings.
    pub fn alone_with(database_url: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let mut command = command(free_port(), database_url, folder.path());
        Self::of(command.args(arguments).envs(settings.iter().copied()))
    }

    /// Runs a command on a database without a server, and kills it after a while. Returns whether it was killed; if it
    /// was not, it had ended before, which must have been a success.
    pub fn killed_after(database_url: &str, arguments: &[&str], after: Duration) -> bool {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let mut command = command(free_port(), database_url, folder.path());
        let command = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the command starts");
        std::thread::sleep(after);
        process.kill().expect("the process is killed");
        let status = process.wait().expect("the process is gone");
        assert!(status.success() || status.code().is_none(), "{status}");
        !status.success()
    }

    /// Runs a command on a database without a server, and kills it when it is time. Panics if it ends before.
    pub fn killed_when(database_url: &str, arguments: &[&str], mut is_time: impl FnMut() -> bool) {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let mut command = command(free_port(), database_url, folder.path());
        let command = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the command starts");
        let came = poll(5 * PATIENCE, || is_time().then_some(()));
        let ended = process.try_wait().expect("the process is looked at");
        process.kill().expect("the process is killed");
        process.wait().expect("the process is gone");
        assert!(came.is_some() && ended.is_none(), "{ended:?}");
    }

    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the command runs");
        Self {
            succeeded: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Another process on the server's database.
pub struct OtherProcess {
    process: Child,
    folder: TempDir,
}

impl OtherProcess {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(self.folder.path())).unwrap_or_default()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("the process is killed");
        self.process.wait().expect("the process is gone");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("SIGTERM is sent");
    }

    /// Waits until it exits. Panics after a minute.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.process).expect("the process exits within a minute")
    }

    /// Sends SIGTERM and waits until it exits. Panics after a minute.
    pub fn stop_with_sigterm(&mut self) -> ExitStatus {
        self.terminate();
        self.wait_for_exit()
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        // Both fail if it has already exited.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the log of a process beside the server ---\n{}\n---", self.log());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has already exited.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("--- the end of the server's log ---\n{}\n---", end.join("\n"));
        }
    }
}

/// How a server failed to start.
#[derive(Debug)]
pub struct Refusal {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard error.
    pub stderr: String,
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn spawn(
    program: &Path,
    port: u16,
    database_url: &str,
    settings: &[(String, String)],
    arguments: &[&str],
    folder: &Path,
) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(log_path(folder)).expect("a log file is opened");
    command_of(program, port, database_url, folder)
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdout(log.try_clone().expect("a log file is shared"))
        .stderr(log)
        .spawn()
        .expect("the server's process starts")
}

/// The server with its usual settings only: neither the tester's environment nor files in the folder may change what it
/// does.
fn command(port: u16, database_url: &str, folder: &Path) -> Command {
    command_of(&binary(), port, database_url, folder)
}

fn command_of(program: &Path, port: u16, database_url: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("RUST_BACKTRACE", "1")
        .env("DATABASE_URL", database_url)
        .env("LM_SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .env("LM_AUTH__ISSUER", ISSUER)
        .env("LM_AUTH__AUDIENCE", AUDIENCE)
        .env("LM_AUTH__HS256_SECRET", SECRET)
        .env("LM_AUTH__RETIREMENT_WORKER", "retirement_worker")
        .env("LM_THROTTLE__ENABLED", "false");
    command
}

/// The server's binary: tests are in `target/<profile>/deps`, binaries in `target/<profile>`. Panics if it was not
/// built.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let name = format!("license-manager{}", std::env::consts::EXE_SUFFIX);
    test.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no {name} beside {}: run `make build` first", test.display()))
}

/// A free port below the range of outgoing connections, where a client could take it before the server does.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| 10_000 + (Uuid::new_v4().as_u128() % 20_000) as u16)
        .take(100)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

fn wait_for_exit(process: &mut Child) -> Option<ExitStatus> {
    poll(STOP, || process.try_wait().expect("the server has a status"))
}
