//! Tells refusals that are accidents from refusals that mean "no more for now". One refusal says little: servers that
//! are far from any limit refuse a call now and then. Calls that were sent after it say more: one that is accepted
//! proves an accident, and more refusals among them than accidents explain prove that the limit is reached. Refusals come
//! back sooner than answers, so calls that are still under way count as if they were accepted. It does not know what a
//! call is.

/// So many accidents that this is how likely they are, or less, are none.
const UNLIKELY: f64 = 0.005;
/// As if one in so many calls had been refused before anything is known.
const PRIOR: f64 = 20.0;
/// Accidents are no more than this share of all calls.
const MOST_ACCIDENTS: f64 = 0.1;
/// The same for what was refused of the last calls.
const VERY_UNLIKELY: f64 = 0.00001;
const LATELY: f64 = 32.0;
/// Counts are halved beyond this, so that old calls are forgotten.
const REMEMBERED: u64 = 400;
/// After so many accidents a server is known to have them.
const MANY: u64 = 6;
/// After so many accidents the next one does not hold up other calls.
const USUAL: u64 = 2;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be an accident: calls that follow will tell.
    Undecided,
    /// The provider takes nothing more for now.
    Exhausted,
}

/// Judges refusals. Calls are numbered in the order in which they are sent.
#[derive(Debug, Default)]
pub struct Refusals {
    accepted: u64,
    accidents: u64,
    /// Number of the last call that was sent.
    last: u64,
    /// Outcomes of the last calls, the newest in the lowest bit: whether each was refused.
    lately: u32,
    suspicion: Option<Suspicion>,
}

#[derive(Debug)]
struct Suspicion {
    /// Number of the first call that was refused.
    first: u64,
    refused: u32,
    exhausted: bool,
    /// The call that finds out for all.
    trial: Option<u64>,
}

impl Refusals {
    /// Whether another call may be sent now: while one call finds out for all, no other.
    pub fn may_start(&self) -> bool {
        self.suspicion.as_ref().is_none_or(|suspicion| {
            suspicion.trial.is_none() || (!suspicion.exhausted && self.accidents >= USUAL)
        })
    }

    /// Whether this server is known to refuse calls by accident now and then.
    pub fn has_accidents(&self) -> bool {
        self.accidents >= MANY && self.accidents * 33 > self.accepted
    }

    /// A call is sent.
    pub fn started(&mut self, number: u64) {
        self.last = self.last.max(number);
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.trial.get_or_insert(number);
        }
    }

    /// A call came to an end, however it did.
    pub fn ended(&mut self, number: u64) {
        if let Some(suspicion) = &mut self.suspicion
            && suspicion.trial == Some(number)
        {
            suspicion.trial = None;
        }
    }

    /// A call was accepted. Returns whether it ends a suspicion, because it was sent after the first refusal.
    pub fn accepted(&mut self, number: u64) -> bool {
        self.accepted += 1;
        self.lately <<= 1;
        let over = self
            .suspicion
            .take_if(|suspicion| number > suspicion.first)
            .map(|suspicion| {
                if !suspicion.exhausted {
                    self.accidents += u64::from(suspicion.refused);
                }
            });
        if self.accepted + self.accidents > REMEMBERED {
            self.accepted /= 2;
            self.accidents /= 2;
        }
        over.is_some()
    }

    /// A call was refused. `decisive` refusals need no further proof.
    pub fn refused(&mut self, number: u64, decisive: bool) -> Verdict {
        let known = (self.accepted + self.accidents) as f64 + PRIOR;
        let accident = ((self.accidents as f64 + 1.0) / known).min(MOST_ACCIDENTS);
        self.lately = self.lately << 1 | 1;
        let lately = u64::from(self.lately.count_ones());
        let too_many = at_least(lately, accident * LATELY) < VERY_UNLIKELY;
        let suspicion = self.suspicion.get_or_insert(Suspicion {
            first: number,
            refused: 0,
            exhausted: false,
            trial: None,
        });
        suspicion.refused = suspicion.refused.saturating_add(1);
        let others = u64::from(suspicion.refused - 1);
        let sent = self.last.saturating_sub(suspicion.first).max(others);
        if decisive || too_many || at_least(others, accident * sent as f64) < UNLIKELY {
            suspicion.exhausted = true;
            self.lately = 0;
        }
        if suspicion.exhausted {
            Verdict::Exhausted
        } else {
            Verdict::Undecided
        }
    }
}

/// How likely so many accidents or more are where so many are expected, by Poisson's distribution.
fn at_least(accidents: u64, expected: f64) -> f64 {
    let (mut term, mut fewer) = ((-expected).exp(), 0.0);
    for number in 0..accidents {
        fewer += term;
        term *= expected / (number + 1) as f64;
    }
    1.0 - fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accident_is_proved_by_the_next_call() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.refused(5, false), Verdict::Undecided);
        refusals.started(9);
        assert!(!refusals.may_start(), "one call finds out");
        assert!(!refusals.accepted(3), "it was sent before");
        assert!(refusals.accepted(9));
        assert!(refusals.may_start());
    }

    #[test]
    fn two_refusals_in_a_row_after_many_answers_are_a_limit() {
        let mut refusals = Refusals::default();
        (0..300).for_each(|number| {
            refusals.accepted(number);
        });
        assert_eq!(refusals.refused(300, false), Verdict::Undecided);
        assert_eq!(refusals.refused(301, false), Verdict::Exhausted);
        refusals.ended(301);
        refusals.started(302);
        assert_eq!(
            refusals.refused(302, false),
            Verdict::Exhausted,
            "each pause costs one call"
        );
        assert!(refusals.accepted(303));
        assert_eq!(refusals.refused(304, false), Verdict::Undecided);
    }

    #[test]
    fn a_server_that_refuses_one_in_twenty_is_rarely_taken_for_exhausted() {
        let mut refusals = Refusals::default();
        let (mut exhausted, mut state) = (0, 7_u64);
        for number in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if (state >> 33).is_multiple_of(20) {
                if refusals.refused(number, false) == Verdict::Exhausted {
                    exhausted += 1;
                }
            } else {
                refusals.accepted(number);
            }
        }
        assert!(exhausted <= 8, "{exhausted} of about 1,000");
    }

    /// Calls that are refused by accident one time in twenty, 64 at once: a refusal comes back after 10 ms, an acceptance
    /// after 60 and an answer after 110. Returns how often that is taken for a limit, of 5,000 calls.
    fn mistaken(mut state: u64) -> u32 {
        let mut refusals = Refusals::default();
        let (mut under_way, mut number, mut exhausted) = (Vec::new(), 0, 0);
        for now in 0..u64::MAX {
            under_way.retain(|(call, at, what)| {
                if *at > now {
                    return true;
                }
                match what {
                    0 => {
                        exhausted +=
                            u32::from(refusals.refused(*call, false) == Verdict::Exhausted);
                        refusals.ended(*call);
                    }
                    1 => {
                        refusals.ended(*call);
                        refusals.accepted(*call);
                    }
                    _ => {}
                }
                false
            });
            while under_way.iter().filter(|(.., what)| *what != 1).count() < 64
                && refusals.may_start()
            {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                refusals.started(number);
                if (state >> 33).is_multiple_of(20) {
                    under_way.push((number, now + 10, 0));
                } else {
                    under_way.extend([(number, now + 60, 1), (number, now + 110, 2)]);
                }
                number += 1;
            }
            if number > 5000 {
                break;
            }
        }
        exhausted
    }

    #[test]
    fn refusals_that_come_back_sooner_than_answers_are_rarely_taken_for_a_limit() {
        let mistakes: Vec<u32> = (1..=10).map(mistaken).collect();
        assert!(mistakes.iter().sum::<u32>() <= 20, "{mistakes:?}");
    }

    #[test]
    fn a_decisive_refusal_needs_no_other() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.refused(1, true), Verdict::Exhausted);
    }
}
