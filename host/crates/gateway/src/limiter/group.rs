//! Several limiters behind one queue: whoever waits is let through by the first that has room. So each takes as much of
//! the work as it can do, and one that is slow, pauses or is down keeps nobody waiting.
//!
//! Locks are taken in one order: that of a limiter's state, then that of the queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::cache::PromptCache;
use super::{
    AHEAD, BreakerState, CallError, Hold, Inner, Limiter, Next, Permit, RequestSize, State, Waiter,
};
use crate::limits::order::{OrderKey, OrderedQueue};

/// Whoever is first is passed over so often for one whose beginning a member has in its cache.
const PASSED_OVER: u32 = 16;
/// A question goes where others that begin alike went, as long as there are only so many calls more under way there, and a
/// quarter.
const SPARE: u64 = 2;
/// A member has so many beginnings in its cache, as far as anybody knows.
const BEGINNINGS: usize = 64;

/// Members of a group that a question was sent to in vain, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// A group has no more members.
    pub const MOST: usize = 64;

    /// The same with the member at this place.
    #[must_use]
    pub fn with(self, place: usize) -> Tried {
        Tried(self.0 | 1 << (place % Self::MOST))
    }

    /// A bit for each member.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Members by their bits.
    pub fn of_bits(bits: u64) -> Tried {
        Tried(bits)
    }

    /// Whether the member at this place was tried.
    pub fn has(self, place: usize) -> bool {
        self.with(place) == self
    }
}

/// Limiters behind one queue.
pub struct Group {
    members: Vec<Limiter>,
    shared: Arc<Shared>,
}

/// Where a limiter stands in a group.
pub(super) struct Member {
    shared: Arc<Shared>,
    place: usize,
}

struct Shared {
    members: Vec<Weak<Inner>>,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    queue: OrderedQueue<Waiter>,
    members: Vec<Seen>,
    turn: usize,
}

/// A member as it was seen last.
struct Seen {
    in_flight: u64,
    standing: Standing,
    /// What the questions that it was sent last began with.
    beginnings: VecDeque<u64>,
}

/// Whether a member can be asked.
enum Standing {
    Up,
    /// Not now.
    Down(CallError),
    /// Not any more.
    Refuses(CallError),
}

impl Group {
    /// A group of these; each may be in one only.
    pub fn new(members: Vec<Limiter>) -> Group {
        let seen = |_| Seen {
            in_flight: 0,
            standing: Standing::Up,
            beginnings: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            members: members
                .iter()
                .map(|member| Arc::downgrade(&member.inner))
                .collect(),
            waiting: Mutex::new(Waiting {
                queue: OrderedQueue::default(),
                members: members.iter().map(seen).collect(),
                turn: 0,
            }),
        });
        for (place, member) in members.iter().enumerate() {
            let shared = Arc::clone(&shared);
            let _ = member.inner.member.set(Member { shared, place });
        }
        Group { members, shared }
    }

    /// Waits for the right to make a call on any member, for the record with this place in the run. Gives the member's
    /// place. One that was tried is taken only while no other can be asked.
    pub async fn enter(
        &self,
        place: u64,
        asked: RequestSize,
        waits_for_recovery: bool,
        tried: Tried,
    ) -> Result<(usize, Permit), CallError> {
        let (reply, permit) = oneshot::channel();
        let waiter = Waiter {
            asked,
            waits_for_recovery,
            tried,
            passed_over: 0,
            reply,
        };
        let order = {
            let mut waiting = self.shared.waiting();
            waiting.queue.push(place, waiter);
            waiting.order(tried, asked.prefix)
        };
        for place in order {
            if let Some(member) = self.members.get(place) {
                member.inner.pump(&mut member.inner.state());
            }
            if self.shared.waiting().queue.is_empty() {
                break;
            }
        }
        let permit = permit.await.unwrap_or_else(|_| Err(super::closed()))?;
        let member = permit.inner.member.get();
        Ok((member.map_or(0, |member| member.place), permit))
    }

    /// Why the member at this place cannot be asked, if so, and whether that is for good.
    pub fn error(&self, place: usize) -> Option<(CallError, bool)> {
        let waiting = self.shared.waiting();
        let seen = waiting.members.get(place)?;
        let error = seen.error()?.clone();
        Some((error, matches!(seen.standing, Standing::Refuses(_))))
    }

    /// Whether a member that was not tried can be asked.
    pub fn has_another(&self, tried: Tried) -> bool {
        self.shared.waiting().has_another(tried)
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every member look at who waits. As a task, since the caller holds the lock of one.
    fn look_again(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            for member in shared.members.iter().filter_map(Weak::upgrade) {
                member.pump(&mut member.state());
            }
        });
    }
}

impl Member {
    /// How many wait for any member; counted by one of them.
    pub fn waiting(&self) -> u64 {
        let waiting = self.shared.waiting();
        let first_up = waiting.members.iter().position(Seen::is_up);
        let counts = first_up.unwrap_or(0) == self.place;
        if counts {
            waiting.queue.len() as u64
        } else {
            0
        }
    }

    /// Lets through as many of those who wait for any member as may go here now.
    pub fn let_through(&self, limiter: &Arc<Inner>, state: &mut State, now: Duration) {
        let mut waiting = self.shared.waiting();
        let went_down = waiting.note(self.place, standing(limiter, state, now));
        while state.held_up.is_none() {
            let key = match waiting.next_for(self.place, &state.cache, now) {
                (Some(key), _) => key,
                (None, Some(until)) => {
                    limiter.hold_up(state, Hold::Prefix, Some(until));
                    break;
                }
                (None, None) => break,
            };
            let Some(waiter) = waiting.queue.get_mut(key) else {
                break;
            };
            if waiter.reply.is_closed() {
                waiting.queue.remove(key);
                continue;
            }
            match limiter.next(state, now, waiter.asked, waiter.waits_for_recovery) {
                Next::Go { probe } => {
                    if let Some(waiter) = waiting.queue.remove(key) {
                        waiting.sent(self.place, waiter.asked.prefix);
                        limiter.grant(state, now, probe, waiter);
                    }
                }
                // It is too large for the limits here.
                Next::Fail(error) if waiter.tried.has(self.place) => {
                    if let Some(waiter) = waiting.queue.remove(key) {
                        let _ = waiter.reply.send(Err(error));
                    }
                }
                Next::Fail(_) => waiter.tried = waiter.tried.with(self.place),
                Next::Wait { hold, until } => limiter.hold_up(state, hold, until),
            }
        }
        if let Some(seen) = waiting.members.get_mut(self.place) {
            seen.in_flight = state.in_flight;
        }
        waiting.give_up_hopeless();
        if went_down && !waiting.queue.is_empty() {
            self.shared.look_again();
        }
    }
}

/// Whether a member can be asked.
fn standing(limiter: &Inner, state: &State, now: Duration) -> Standing {
    if let Some((class, cause)) = limiter.refusal(state, now) {
        return Standing::Refuses(CallError::new(class, cause));
    }
    match state.breaker.state() {
        BreakerState::Open(outage) | BreakerState::HalfOpen(outage) => {
            Standing::Down(CallError::new(outage.class, outage.cause.clone()))
        }
        BreakerState::Closed | BreakerState::Stopped { .. } => Standing::Up,
    }
}

impl Seen {
    fn is_up(&self) -> bool {
        matches!(self.standing, Standing::Up)
    }

    /// Whether it was sent a question that begins so.
    fn knows(&self, prefix: Option<u64>) -> bool {
        prefix.is_some_and(|prefix| self.beginnings.contains(&prefix))
    }

    fn error(&self) -> Option<&CallError> {
        match &self.standing {
            Standing::Up => None,
            Standing::Down(error) | Standing::Refuses(error) => Some(error),
        }
    }
}

impl Waiting {
    /// Notes how a member stands; whether it could be asked before and cannot now.
    fn note(&mut self, place: usize, standing: Standing) -> bool {
        let Some(seen) = self.members.get_mut(place) else {
            return false;
        };
        let was_up = seen.is_up();
        seen.standing = standing;
        was_up && !seen.is_up()
    }

    fn has_another(&self, tried: Tried) -> bool {
        let mut members = self.members.iter().enumerate();
        members.any(|(place, seen)| seen.is_up() && !tried.has(place))
    }

    /// Whom a member takes next: who is first, unless somebody near begins as a question that it was sent lately. Where all
    /// wait for a question that begins alike, until when.
    fn next_for(
        &mut self,
        place: usize,
        cache: &PromptCache,
        now: Duration,
    ) -> (Option<OrderKey>, Option<Duration>) {
        let Some(member) = self.members.get(place) else {
            return (None, None);
        };
        let takes_impatient = match &member.standing {
            Standing::Refuses(_) => return (None, None),
            Standing::Down(_) => false,
            Standing::Up => true,
        };
        let may_take = |waiter: &Waiter| {
            (takes_impatient || waiter.waits_for_recovery)
                && (!waiter.tried.has(place) || !self.has_another(waiter.tried))
        };
        let mut waits = None;
        let first = self.queue.first(AHEAD, |waiter| {
            let until = cache.waits_until(waiter.asked.prefix, now);
            let may_take = may_take(waiter);
            waits = waits.or(until.filter(|_| may_take));
            may_take && until.is_none()
        });
        let Some(first) = first else {
            return (None, waits);
        };
        let near = self.queue.first(AHEAD, |waiter| {
            may_take(waiter)
                && member.knows(waiter.asked.prefix)
                && cache.waits_until(waiter.asked.prefix, now).is_none()
        });
        if let Some(waiter) = self.queue.get_mut(first)
            && waiter.asked.prefix.is_some()
            && near.is_some_and(|near| near != first)
            && waiter.passed_over < PASSED_OVER
        {
            waiter.passed_over += 1;
            return (near, None);
        }
        (Some(first), None)
    }

    /// A question that begins so is sent to a member.
    fn sent(&mut self, place: usize, prefix: Option<u64>) {
        let (Some(prefix), Some(member)) = (prefix, self.members.get_mut(place)) else {
            return;
        };
        if !member.beginnings.contains(&prefix) {
            member.beginnings.push_back(prefix);
        }
        if member.beginnings.len() > BEGINNINGS {
            member.beginnings.pop_front();
        }
    }

    /// Members in the order in which one who comes would best be let through: one that was sent a question that begins alike,
    /// unless it has more to do than others; then least calls under way first, and in turn where these are equal.
    fn order(&mut self, tried: Tried, prefix: Option<u64>) -> Vec<usize> {
        let members = self.members.len();
        self.turn = (self.turn + 1) % members.max(1);
        let turn = self.turn;
        let up = self.members.iter().filter(|seen| seen.is_up());
        let least = up.map(|seen| seen.in_flight).min().unwrap_or(0);
        let most = least + SPARE + least / 4;
        let mut order: Vec<usize> = (0..members).collect();
        order.sort_by_key(|place| {
            let seen = self.members.get(*place);
            let in_flight = seen.map_or(0, |seen| seen.in_flight);
            let knows = seen.is_some_and(|seen| seen.knows(prefix) && in_flight <= most);
            let in_turn = (place + members - turn) % members;
            (tried.has(*place), !knows, in_flight, in_turn)
        });
        order
    }

    /// Fails those whom nobody can let through any more.
    fn give_up_hopeless(&mut self) {
        if self.queue.is_empty() || self.members.iter().any(Seen::is_up) {
            return;
        }
        let Some(error) = self.members.iter().find_map(Seen::error) else {
            return;
        };
        let error = error.clone();
        let refuses = |seen: &Seen| matches!(seen.standing, Standing::Refuses(_));
        let is_over = self.members.iter().all(refuses);
        let hopeless = self
            .queue
            .remove_all(|waiter| is_over || !waiter.waits_for_recovery);
        for waiter in hopeless {
            // Nobody waiting any more is no loss.
            let _ = waiter.reply.send(Err(error.clone()));
        }
    }
}
