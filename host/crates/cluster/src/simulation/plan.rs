//! What a history is like, by its seed.

use std::time::Duration;

use super::Dice;

/// From then on nothing goes wrong any more.
const WELL: Duration = Duration::from_secs(40);

/// What a history is like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub workers: usize,
    /// Records in work at once, of each worker.
    pub slots: usize,
    /// Calls at once, of all together.
    pub at_once: u64,
    pub ack_wait: Duration,
    /// The longest call, milliseconds.
    pub longest: u64,
    /// Whether a worker that asks of one of the records is dead.
    pub has_deadly: bool,
    /// What happens, and when.
    pub events: Vec<(Duration, Event)>,
    wire: Wire,
}

/// How many things of a thousand go wrong with messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wire {
    pub lost: u64,
    pub doubled: u64,
    pub late: u64,
    /// Exchanges with the server that nobody answers.
    pub unanswered: u64,
}

/// What happens to a process, or to the bus.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A worker is killed and started again, perhaps without its spool.
    WorkerIsKilled {
        worker: usize,
        down: Duration,
        loses_spool: bool,
    },
    /// A worker is stopped, and goes on.
    WorkerStandsStill { worker: usize, span: Duration },
    /// A worker is cut off the network.
    WorkerIsCutOff { worker: usize, span: Duration },
    /// A worker leaves in order, and is started again.
    WorkerLeaves { worker: usize, down: Duration },
    /// The coordinator is killed and started again.
    CoordinatorIsKilled { down: Duration },
    /// The coordinator is stopped, and goes on.
    CoordinatorStandsStill { span: Duration },
    /// The coordinator is cut off the network.
    CoordinatorIsCutOff { span: Duration },
    /// Somebody ends the run in order, and starts it again.
    CoordinatorIsInterrupted { down: Duration },
    /// The bus loses all that it has.
    BusIsEmptied,
    /// The server is killed and started again, perhaps without what it had.
    ServerIsKilled { down: Duration, forgets: bool },
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut dice = Dice(seed);
        let workers = 1 + dice.below(3) as usize;
        let ack_wait = Duration::from_secs(3 + dice.below(4));
        let mut plan = Plan {
            seed,
            workers,
            slots: 1 + dice.below(6) as usize,
            at_once: 1 + dice.below(8),
            ack_wait,
            longest: [500, 2_000, 6_000][dice.below(3) as usize],
            has_deadly: false,
            events: Vec::new(),
            wire: Wire {
                lost: [0, 0, 20, 100][dice.below(4) as usize],
                doubled: [0, 0, 50][dice.below(3) as usize],
                late: [0, 0, 100][dice.below(3) as usize],
                unanswered: [0, 0, 30, 100][dice.below(4) as usize],
            },
        };
        // About as long as it takes if nothing happens.
        let at_once = plan.at_once.min((plan.slots * plan.workers) as u64);
        let length = 2_000 + super::RECORDS * plan.longest / at_once;
        for _ in 0..dice.below(6) {
            let at = Duration::from_millis(dice.below(length.min(20_000)));
            plan.events.push((at, plan.event(&mut dice)));
        }
        plan.events.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Nothing happens, but that one of the records is the end of each worker that has it in work.
    pub fn deadly() -> Plan {
        Plan {
            seed: 1,
            workers: 2,
            slots: 8,
            at_once: 8,
            ack_wait: Duration::from_secs(2),
            longest: 500,
            has_deadly: true,
            events: Vec::new(),
            wire: Wire::default(),
        }
    }

    /// Something is killed about once a second for as long as the run lasts: a worker, the coordinator or the server. Each is back
    /// within a second.
    pub fn storm(seed: u64) -> Plan {
        let mut dice = Dice(seed);
        let mut plan = Plan {
            seed,
            workers: 3,
            slots: 4,
            at_once: 2,
            ack_wait: Duration::from_secs(2),
            longest: 2_000,
            has_deadly: false,
            events: Vec::new(),
            wire: Wire::default(),
        };
        let mut at = Duration::ZERO;
        while at < super::PATIENCE {
            at += Duration::from_millis(200 + dice.below(1_500));
            let down = Duration::from_millis(100 + dice.below(900));
            let event = match dice.below(10) {
                0..=4 => Event::WorkerIsKilled {
                    worker: dice.below(3) as usize,
                    down,
                    loses_spool: false,
                },
                5 | 6 => Event::CoordinatorIsKilled { down },
                kind => Event::ServerIsKilled {
                    down,
                    forgets: kind == 9,
                },
            };
            plan.events.push((at, event));
        }
        plan
    }

    fn event(&self, dice: &mut Dice) -> Event {
        let worker = dice.below(self.workers as u64) as usize;
        // Of some, half are shorter than a worker's silence may be, and half are longer.
        let down = Duration::from_millis(dice.below(10_000));
        let span = match dice.below(2) {
            0 => Duration::from_millis(dice.below(1_500)),
            _ => self.ack_wait + Duration::from_millis(dice.below(10_000)),
        };
        match dice.below(12) {
            0 => Event::WorkerIsKilled {
                worker,
                down,
                loses_spool: true,
            },
            1 | 2 => Event::WorkerIsKilled {
                worker,
                down,
                loses_spool: false,
            },
            3 => Event::WorkerStandsStill { worker, span },
            4 => Event::WorkerIsCutOff { worker, span },
            5 => Event::WorkerLeaves { worker, down },
            6 => Event::CoordinatorIsKilled { down },
            7 => match dice.below(2) {
                0 => Event::CoordinatorStandsStill { span },
                _ => Event::CoordinatorIsCutOff { span },
            },
            8 => Event::CoordinatorIsInterrupted { down },
            9 => Event::BusIsEmptied,
            _ => Event::ServerIsKilled {
                down,
                forgets: dice.below(2) == 0,
            },
        }
    }

    /// How messages fare at this time.
    pub fn wire(&self, now: Duration) -> Wire {
        match now < WELL {
            true => self.wire,
            false => Wire::default(),
        }
    }

    /// Whether no plain message is ever lost or late.
    pub fn keeps_messages(&self) -> bool {
        self.wire.lost == 0 && self.wire.late == 0
    }
}
