//! What fails, and when.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::clock::SteppedClock;
use super::dice::Dice;
use super::disk::Disk;
use super::home::{Home, live_licenses};
use super::records::{Known, Slot};
use super::{Chaos, Plans, Shared};
use crate::{Cluster, OtherProcess, Server, assert_sound, binary, poll};

/// How many requests are to fail before the database comes back, and how long to wait for them.
const HARM: (usize, Duration) = (4, Duration::from_secs(5));

/// A failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    KillServer,
    KillWorker,
    StopDatabase,
    CrashDatabase,
    FullDisk,
    PowerCut,
    ClockStep,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::KillServer,
        Self::KillWorker,
        Self::StopDatabase,
        Self::CrashDatabase,
        Self::FullDisk,
        Self::PowerCut,
        Self::ClockStep,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::KillServer => "server killed",
            Self::KillWorker => "worker killed",
            Self::StopDatabase => "database stopped",
            Self::CrashDatabase => "database crashed",
            Self::FullDisk => "disk full",
            Self::PowerCut => "power cut",
            Self::ClockStep => "clock set",
        }
    }

    /// The faults of a database. Most are kills.
    fn of(home: &Home) -> Vec<Self> {
        let kills = [Self::KillServer, Self::KillServer, Self::KillServer, Self::KillWorker];
        let others: &[Self] = match home {
            Home::Disk(_) => &[Self::FullDisk, Self::PowerCut],
            Home::Folder(_) => &[],
            Home::Postgres(_) => &[Self::StopDatabase, Self::CrashDatabase],
        };
        [&kills[..], others, &[Self::ClockStep]].concat()
    }
}

/// Lets processes and the database fail.
pub(super) struct Faults<'a> {
    home: &'a Home,
    url: String,
    clocks: &'a [SteppedClock; 2],
    servers: [Server; 2],
    worker: OtherProcess,
    shared: &'a Shared<'a>,
    plans: &'a [Plans],
    chaos: &'a Chaos,
    dice: Dice,
    done: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(
        chaos: &'a Chaos,
        home: &'a Home,
        clocks: &'a [SteppedClock; 2],
        servers: [Server; 2],
        shared: &'a Shared<'a>,
        plans: &'a [Plans],
        dice: Dice,
    ) -> Self {
        let worker = servers[0].run_beside(&["worker"]);
        Self { home, url: home.url(), clocks, servers, worker, shared, plans, chaos, dice, done: Vec::new() }
    }

    /// Runs until the clients have enough answers.
    pub(super) fn run(&mut self) {
        let (number, mut deck) = (self.chaos.faults, Vec::new());
        for fault in 1..=number {
            let due = self.shared.requests * fault / (number + 1);
            while self.shared.goes_on() && self.shared.answered() < due {
                std::thread::sleep(Duration::from_millis(5));
            }
            if !self.shared.goes_on() {
                return;
            }
            if deck.is_empty() {
                let all = Fault::of(self.home);
                let number = all.len();
                deck = self.dice.some(all, number);
            }
            if let Some(fault) = deck.pop() {
                self.happen(fault);
                self.done.push(fault);
            }
        }
    }

    /// How often each fault happened.
    pub(super) fn counts(&self) -> Vec<(&'static str, usize)> {
        let count = |fault: Fault| (fault.name(), self.done.iter().filter(|done| **done == fault).count());
        Fault::ALL.into_iter().map(count).filter(|(_, number)| *number > 0).collect()
    }

    pub(super) fn into_servers(self) -> [Server; 2] {
        self.servers
    }

    fn happen(&mut self, fault: Fault) {
        match (fault, self.home) {
            (Fault::KillServer, _) => self.kill_server(),
            (Fault::KillWorker, _) => {
                self.worker.kill();
                assert_sound(&self.url);
                self.worker = self.servers[0].run_beside(&["worker"]);
            }
            (Fault::StopDatabase, Home::Postgres(cluster)) => self.without_database(cluster, Cluster::stop),
            (Fault::CrashDatabase, Home::Postgres(cluster)) => self.without_database(cluster, Cluster::crash),
            (Fault::FullDisk, Home::Disk(disk)) => {
                disk.fill();
                self.wait_for_harm();
                disk.empty();
                assert_sound(&self.url);
            }
            (Fault::PowerCut, Home::Disk(disk)) => self.cut_power(disk),
            (Fault::ClockStep, _) => {
                let clock = self.dice.below(self.clocks.len());
                self.clocks[clock].step(&mut self.dice);
            }
            (fault, _) => unreachable!("{fault:?} is not a fault of this database"),
        }
    }

    fn kill_server(&mut self) {
        let number = self.dice.below(self.servers.len());
        let server = &mut self.servers[number];
        server.kill();
        assert_sound(&self.url);
        if let (1, Some(previous)) = (number, &self.chaos.previous) {
            let is_next_today = server.program() == previous;
            server.set_program(if is_next_today { binary() } else { previous.clone() });
        }
        server.restart();
    }

    fn without_database(&self, cluster: &Cluster, stop: impl Fn(&Cluster)) {
        stop(cluster);
        self.wait_for_harm();
        cluster.start();
        assert_sound(&self.url);
    }

    fn wait_for_harm(&self) {
        let failed = || self.shared.refused.load(Ordering::SeqCst) + self.shared.unanswered.load(Ordering::SeqCst);
        let (before, (number, patience)) = (failed(), HARM);
        poll(patience, || (failed() >= before + number).then_some(()));
    }

    /// Looks at what a power cut would leave. The processes stand still meanwhile, so that what was answered before is
    /// known, and go on as if nothing had happened.
    fn cut_power(&self, disk: &Disk) {
        self.signal_all(Signal::STOP);
        let answered: Vec<Vec<Known>> = self.shared.people.iter().map(|people| people.known().clone()).collect();
        let left = disk.cut_off();
        self.signal_all(Signal::CONT);
        assert_sound(&left.url());
        let live = live_licenses(&left.url());
        for (client, people) in answered.iter().enumerate() {
            for known in people.iter().filter(|known| !known.is_open) {
                for slot in Slot::ALL {
                    let expected = known.held.get(&slot).map(|status| status.as_str());
                    let plan = self.plans[client].of(slot).uuid.clone();
                    let found = live.get(&(plan, known.email.clone())).map(String::as_str);
                    assert_eq!(found, expected, "{} and the plan {slot:?} after a power cut", known.email);
                }
            }
        }
    }

    fn signal_all(&self, signal: Signal) {
        for id in self.servers.iter().map(Server::id).chain([self.worker.id()]) {
            let process = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
            kill_process(process, signal).expect("the signal is sent");
        }
    }
}
