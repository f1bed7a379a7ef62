//! One limit of a lane: its window, what the provider counts in it, and, where it was learned, how it finds out whether there
//! is more. Of the other limits it knows nothing.

use std::time::Duration;

use super::{Booked, Source};
use crate::limits::counts::Counts;
use crate::limits::margin::Margin;
use crate::limits::window::Window;
use types::limit::{Amount, Limit};

/// A guard is probed this share of its span after a refusal; twice as long after each further one.
const PROBE_AFTER: u32 = 5;
const PROBE_AFTER_LEAST: Duration = Duration::from_secs(3);
const PROBE_AFTER_MOST: Duration = Duration::from_secs(12);
const PROBE_AT_LEAST_EVERY: Duration = Duration::from_secs(48);
/// One call takes so much longer to the provider than another. What is late is not lost: it is left then.
const JITTER: Duration = Duration::from_millis(50);
/// So long without a refusal, and what was probed counts as allowed.
const PROBE_SETTLES: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Guard {
    pub(super) number: u64,
    pub(super) amount: Amount,
    /// As the provider counts; the window's own is longer by the margin.
    pub(super) span: Duration,
    pub(super) source: Source,
    /// When it was made.
    pub(super) since: Duration,
    /// What the user told is never exceeded, whatever headers say.
    pub(super) told: Option<u64>,
    /// When headers or refusals last spoke of it.
    pub(super) seen: Option<Duration>,
    /// Whether it was learned by an earlier run, and nothing has spoken of it since.
    pub(super) is_recalled: bool,
    /// About how much the provider counted of a call in an earlier run.
    pub(super) a_call: u64,
    /// Calls by what they are likely to take, and then by what they took.
    pub(super) likely: Window,
    /// For limits on tokens: calls by what they may take at most.
    pub(super) caps: Option<Caps>,
    /// What the provider counts, as far as is known.
    pub(super) counts: Counts,
    /// What others used, as headers say, and until when that counts.
    pub(super) others: (u64, Duration),
    /// What calls were booked as, all together.
    pub(super) booked: u64,
    /// What headers said was left, and when.
    pub(super) level: Option<Level>,
    /// Of the time in which what is missing fills.
    pub(super) margin: Margin,
    /// When headers said that all is free again, until a call has found out whether it is.
    pub(super) resets: Option<Duration>,
    pub(super) probe: Option<Probe>,
}

/// What was left when a call arrived at the provider.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) at: Duration,
    pub(super) left: u64,
    /// What had been booked until then.
    pub(super) booked: u64,
}

/// Calls by what they may take at most.
#[derive(Debug)]
pub(super) struct Caps {
    /// And then by what they took.
    pub(super) held: Window,
    /// Whatever they took.
    pub(super) kept: Window,
}

impl Probe {
    /// Of a limit of a call that is known since now.
    pub(super) fn new(now: Duration, span: Duration) -> Probe {
        Probe {
            next: now + probe_after(span),
            interval: probe_after(span),
            step: 1,
            call: 1,
            in_vain: 0,
            is_known: false,
        }
    }
}

/// How a learned limit finds out whether there is more.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) next: Duration,
    pub(super) interval: Duration,
    /// Calls by which it is raised next, and what each takes.
    pub(super) step: u64,
    pub(super) call: u64,
    /// Times that it was lowered for few refusals since it was last raised.
    pub(super) in_vain: u32,
    /// Whether calls went through since it was learned.
    pub(super) is_known: bool,
}

pub(super) fn probe_after(span: Duration) -> Duration {
    (span / PROBE_AFTER).clamp(PROBE_AFTER_LEAST, PROBE_AFTER_MOST)
}

impl Caps {
    pub(super) fn new(window: &Window) -> Caps {
        Caps {
            held: window.clone(),
            kept: window.clone(),
        }
    }
}

impl Guard {
    /// The window that holds what the provider counts.
    pub(super) fn window(&mut self) -> &mut Window {
        self.counted(self.counts)
    }

    pub(super) fn counted(&mut self, counts: Counts) -> &mut Window {
        match (counts, &mut self.caps) {
            (Counts::Held, Some(caps)) => &mut caps.held,
            (Counts::Kept, Some(caps)) => &mut caps.kept,
            _ => &mut self.likely,
        }
    }

    /// What a call takes of the limit when it starts.
    pub(super) fn takes(&self, size: Booked) -> u64 {
        match self.counts {
            Counts::Used => size.likely.of(self.amount),
            Counts::Held | Counts::Kept => size.most.of(self.amount),
        }
    }

    /// When so much fits beside what was booked and what others use; nothing if it never does.
    pub(super) fn earliest(&mut self, now: Duration, amount: u64) -> Option<Duration> {
        let filled = self.filled(now, amount);
        if let Some(resets) = self.resets.filter(|resets| *resets <= now) {
            // One call finds out whether the provider counts anew; its windows may follow each other.
            return Some(resets.max(filled));
        }
        let ((others, until), resets) = (self.others, self.resets);
        let window = self.window();
        let alone = window.earliest(now, amount)?.max(filled);
        let alone = resets.map_or(alone, |resets| alone.min(resets.max(filled)));
        if others == 0 || now >= until {
            return Some(alone);
        }
        let beside = window.earliest(now, amount.saturating_add(others));
        Some(beside.unwrap_or(until).min(until).max(alone))
    }

    /// When the provider has room for so much if what headers said was left fills evenly up to the limit. No window frees more
    /// in its whole span, and a bucket, which may hold far less than the limit, frees no more in any.
    fn filled(&self, now: Duration, amount: u64) -> Duration {
        let Some(level) = self.level else {
            return now;
        };
        let since = self.booked.saturating_sub(level.booked);
        let missing = amount.saturating_add(since).saturating_sub(level.left);
        if missing == 0 {
            return now;
        }
        let share = missing as f64 / self.likely.limit().max(1) as f64;
        let wait = self
            .likely
            .span()
            .mul_f64(share.min(1.0) * self.margin.times());
        level.at.saturating_add(wait + JITTER).max(now)
    }

    /// The provider counts anew since then: what was booked before counts no more.
    pub(super) fn counts_anew(&mut self, since: Duration) {
        self.likely.forget_before(since);
        if let Some(caps) = &mut self.caps {
            caps.held.forget_before(since);
            caps.kept.forget_before(since);
        }
    }

    /// Headers said what was left when a call arrived that was booked then.
    pub(super) fn said_left(&mut self, said: Level) {
        // Answers overtake each other.
        if self.level.is_none_or(|level| level.at <= said.at) {
            self.level = Some(said);
        }
    }

    /// How much of it is used, by others too.
    pub(super) fn used(&mut self, now: Duration) -> u64 {
        let (others, until) = self.others;
        let others = if now < until { others } else { 0 };
        self.window().used(now).saturating_add(others)
    }

    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        let window = self.window();
        window.used(now).saturating_mul(20) >= window.limit().saturating_mul(19)
    }

    pub(super) fn limit(&self) -> Limit {
        Limit {
            amount: self.amount,
            span: self.span,
            most: self.likely.limit(),
        }
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.likely.set_limit(limit);
        if let Some(caps) = &mut self.caps {
            caps.held.set_limit(limit);
            caps.kept.set_limit(limit);
        }
    }

    /// Books what was used outside of any booking.
    pub(super) fn book(&mut self, at: Duration, amount: u64) {
        self.likely.reserve(at, amount);
        if let Some(caps) = &mut self.caps {
            caps.held.reserve(at, amount);
            caps.kept.reserve(at, amount);
        }
    }

    /// Finds out what the provider counts, by what it says was used when the windows held so much.
    pub(super) fn compare(&mut self, held: [u64; 3], used: u64) {
        let (least, most) = held.iter().fold((u64::MAX, 0), |(least, most), held| {
            (least.min(*held), most.max(*held))
        });
        // Where all are about the same, nothing can be told.
        if self.caps.is_none() || most <= least.saturating_add(least / 5) {
            return;
        }
        // Of two that are as near, the one that counts more is on the safe side.
        let near = Counts::ALL.into_iter().zip(held).rev();
        let nearest = near.min_by_key(|(_, held)| held.abs_diff(used));
        if let Some((counts, _)) = nearest {
            self.counts = counts;
        }
    }

    /// A call waits for this guard until `free`. If it is learned and was not probed for a while, a few more
    /// are let through to see.
    pub(super) fn probed(&mut self, now: Duration, free: Duration, amount: u64) -> Duration {
        let span = self.span;
        let limit = self.likely.limit();
        let Some(probe) = &mut self.probe else {
            return free;
        };
        if now < probe.next {
            return free.min(probe.next);
        }
        let call = amount.max(1);
        let calls = limit / call;
        probe.call = call;
        let raised = limit.saturating_add(probe.step.saturating_mul(call));
        probe.step = probe.step.saturating_mul(2).min((calls / 4).max(1));
        probe.next = now + PROBE_SETTLES;
        probe.in_vain = 0;
        if probe.step > (calls / 16).max(8) {
            // There is much more room than was thought.
            probe.interval = probe_after(span);
        }
        self.confirm(now);
        self.set_limit(raised);
        now
    }

    /// The provider refused while this guard was full; `few` if it refuses few of many.
    pub(super) fn lower(
        &mut self,
        now: Duration,
        used: u64,
        in_burst: bool,
        few: bool,
        may_risk: bool,
    ) {
        let limit = self.likely.limit();
        let Some(probe) = &mut self.probe else { return };
        let lowered = if in_burst {
            limit.min(used).max(1)
        } else {
            // A probe that went too far goes back by what it had added; otherwise the limit itself has fallen.
            let back = if probe.step > 1 {
                (probe.step / 2).saturating_mul(probe.call)
            } else {
                (limit / 50).max(1)
            };
            probe.step = 1;
            probe.in_vain += u32::from(few);
            probe.interval = (probe.interval * 2).min(PROBE_AT_LEAST_EVERY);
            // What is refused anyway says little.
            probe.next = now + probe.interval * if may_risk || !probe.is_known { 1 } else { 4 };
            limit.saturating_sub(back).min(used).max(1)
        };
        self.confirm(now);
        self.set_limit(lowered);
    }

    /// Headers or refusals spoke of it.
    pub(super) fn confirm(&mut self, now: Duration) {
        self.seen = Some(now);
        self.is_recalled = false;
    }
}
