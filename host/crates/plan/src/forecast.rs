//! What tasks that are still to be made will take: counted from their first questions where these are known,
//! and else estimated from what tasks took before, or from the cap on answers. Every number says which.

use serde::Serialize;

/// Most tasks whose questions are looked at; of more, a sample is.
pub const SAMPLE: usize = 10_000;

/// Values that a tenth, half and nine tenths of all values do not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
}

impl Quantiles {
    /// Of these values, by nearest rank; `None` without any.
    pub fn of(mut values: Vec<u64>) -> Option<Quantiles> {
        values.sort_unstable();
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied()
        };
        Some(Quantiles {
            p10: at(10)?,
            p50: at(50)?,
            p90: at(90)?,
        })
    }

    fn all(value: u64) -> Quantiles {
        Quantiles {
            p10: value,
            p50: value,
            p90: value,
        }
    }
}

/// What one task asks, up to its first question without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Questions without an answer.
    pub calls: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Those of them that questions before began with too.
    pub shared: u64,
    /// Questions before, that the journal answers.
    pub journaled: u64,
}

/// The prompts of many tasks: all of them, or from a bound on a sample that is spread evenly and the same
/// every time.
#[derive(Clone, Debug)]
pub struct Prompts {
    most: usize,
    /// Tasks whose hash is higher are passed over.
    highest: u64,
    tasks: u64,
    kept: Vec<(u64, Prompt)>,
}

impl Prompts {
    /// None yet; of more than `most`, a sample is kept.
    pub fn new(most: usize) -> Prompts {
        Prompts {
            most,
            highest: u64::MAX,
            tasks: 0,
            kept: Vec::new(),
        }
    }

    /// Counts a task by the hash of its record. Whether it is to be looked at.
    pub fn wants(&mut self, hash: u64) -> bool {
        self.tasks += 1;
        hash <= self.highest
    }

    /// Adds what a task asks that was wanted.
    pub fn add(&mut self, hash: u64, prompt: Prompt) {
        self.kept.push((hash, prompt));
        while self.kept.len() > self.most {
            self.highest /= 2;
            let highest = self.highest;
            self.kept.retain(|(hash, _)| *hash <= highest);
        }
    }

    /// Tasks looked at, and tasks in all.
    pub fn looked_at(&self) -> LookedAt {
        LookedAt {
            tasks: self.kept.len() as u64,
            of: self.tasks,
        }
    }

    /// The share of the questions that others begin with too: what a prompt cache can hold of them.
    pub fn shared(&self) -> f64 {
        let sum = |part: fn(&Prompt) -> u64| {
            let prompts = self.kept.iter().map(|(_, prompt)| part(prompt));
            prompts.sum::<u64>() as f64
        };
        let bytes = sum(|prompt| prompt.bytes);
        let shared = sum(|prompt| prompt.shared);
        if bytes > 0.0 { shared / bytes } else { 0.0 }
    }

    fn scale(&self) -> f64 {
        if self.kept.is_empty() {
            0.0
        } else {
            self.tasks as f64 / self.kept.len() as f64
        }
    }
}

/// Tasks whose questions cannot be known yet, since what they depend on is still to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    pub tasks: u64,
    /// Bytes of what they are given: prompts and data.
    pub bytes: u64,
}

/// What one task took before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskUsage {
    pub calls: u64,
    /// Tokens of questions.
    pub input: u64,
    /// Tokens of answers.
    pub output: u64,
}

/// A number, in the part that is counted and the part that is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// From questions that are known word by word.
    pub counted: u64,
    /// From tasks like it.
    pub estimated: u64,
}

impl Amount {
    /// Both parts.
    pub fn total(&self) -> u64 {
        self.counted.saturating_add(self.estimated)
    }
}

/// Where the size of answers is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// What tasks of the component took before, with this model.
    Observed,
    /// The cap on an answer: the most that it can be.
    Cap,
}

/// What the tasks of one component will take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    pub calls: Amount,
    /// Questions that the journal answers.
    pub from_journal: u64,
    /// Tokens of the questions to ask.
    pub input_tokens: Amount,
    /// Tokens of their answers.
    pub output_tokens: u64,
    /// Where that is known from.
    pub basis: Basis,
    /// Tasks that it was observed of.
    pub observed_tasks: u64,
    /// Tokens of the answers of one task.
    pub output_tokens_per_task: Option<Quantiles>,
    /// Millionths of a dollar; `None` where the price is not known.
    pub cost_micros: Option<u64>,
    /// The same of one task.
    pub cost_micros_per_task: Option<Quantiles>,
    /// What the provider's prompt cache is likely to change, where it has one and questions begin alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<Cached>,
    /// Tasks whose questions were looked at: fewer than all in a sample.
    pub looked_at: LookedAt,
}

/// What a prompt cache is likely to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cached {
    /// Tokens of the questions that are read from it.
    pub tokens: u64,
    /// Millionths of a dollar that this saves of the cost; `None` where the price is not known.
    pub saving_micros: Option<u64>,
}

/// Tasks whose questions were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    pub tasks: u64,
    pub of: u64,
}

/// What answers and money are reckoned by.
pub struct CostModel<T, C> {
    /// Most tokens of an answer.
    pub cap: u64,
    /// Tokens in so many bytes of questions.
    pub tokens: T,
    /// Millionths of a dollar of so many calls with tokens in and out; `None` where the price is not known.
    pub cost: C,
}

/// Reckons what the tasks of one component will take.
pub fn forecast<T, C>(
    prompts: &Prompts,
    unseen: Unseen,
    took: &[TaskUsage],
    terms: &CostModel<T, C>,
) -> Forecast
where
    T: Fn(u64) -> u64,
    C: Fn(u64, u64, u64) -> Option<u64>,
{
    let looked_at = Counted::of(prompts, terms);
    let each = Each::of(took);
    let Estimated {
        calls,
        input,
        calls_each,
        input_each,
    } = Estimated::of(&looked_at, unseen, each.as_ref(), terms);
    let cap = terms.cap as f64;
    let output_per_call = each.as_ref().map_or(cap, |each| each.output / each.calls);
    let output = whole((looked_at.calls + calls) * output_per_call);
    let (output_spread, cost_spread) = if each.is_some() {
        let cost_of = |task: &TaskUsage| (terms.cost)(task.calls, task.input, task.output);
        let costs: Option<Vec<u64>> = took.iter().map(cost_of).collect();
        let outputs = took.iter().map(|task| task.output).collect();
        (Quantiles::of(outputs), costs.and_then(Quantiles::of))
    } else {
        let most = whole(cap * calls_each);
        let cost = (terms.cost)(whole(calls_each), whole(input_each), most);
        (Some(Quantiles::all(most)), cost.map(Quantiles::all))
    };
    let asks = looked_at.calls + calls > 0.0;
    let input_tokens = Amount {
        counted: whole(looked_at.input),
        estimated: whole(input),
    };
    let calls = Amount {
        counted: whole(looked_at.calls),
        estimated: whole(calls),
    };
    Forecast {
        calls,
        from_journal: whole(looked_at.journaled),
        cost_micros: (terms.cost)(calls.total(), input_tokens.total(), output),
        input_tokens,
        output_tokens: output,
        basis: if each.is_some() {
            Basis::Observed
        } else {
            Basis::Cap
        },
        observed_tasks: took.len() as u64,
        output_tokens_per_task: output_spread.filter(|_| asks),
        cost_micros_per_task: cost_spread.filter(|_| asks),
        cached: None,
        looked_at: prompts.looked_at(),
    }
}

/// The first questions of the tasks that were looked at, scaled up to all that the sample stands for.
struct Counted {
    /// Tasks that ask.
    tasks: f64,
    calls: f64,
    /// Tokens of the questions.
    input: f64,
    journaled: f64,
    /// Answers from the journal of the tasks that ask.
    journaled_of_asking: f64,
}

impl Counted {
    fn of<T: Fn(u64) -> u64, C>(prompts: &Prompts, terms: &CostModel<T, C>) -> Counted {
        let scale = prompts.scale();
        let all = || prompts.kept.iter().map(|(_, prompt)| prompt);
        let asking = || all().filter(|prompt| prompt.calls > 0);
        let sum = |part: fn(&Prompt) -> u64| asking().map(part).sum::<u64>() as f64 * scale;
        let journaled: u64 = all().map(|prompt| prompt.journaled).sum();
        Counted {
            tasks: asking().count() as f64 * scale,
            calls: sum(|prompt| prompt.calls),
            input: (terms.tokens)(whole(sum(|prompt| prompt.bytes))) as f64,
            journaled: journaled as f64 * scale,
            journaled_of_asking: sum(|prompt| prompt.journaled),
        }
    }
}

/// What tasks ask beyond the questions that were looked at.
struct Estimated {
    calls: f64,
    /// Tokens of the questions.
    input: f64,
    /// Calls of one task.
    calls_each: f64,
    /// Tokens of the questions of one task.
    input_each: f64,
}

impl Estimated {
    fn of<T: Fn(u64) -> u64, C>(
        counted: &Counted,
        unseen: Unseen,
        each: Option<&Each>,
        terms: &CostModel<T, C>,
    ) -> Estimated {
        let tasks = unseen.tasks as f64;
        // One task is like those that ran; else like those that were looked at; else it asks once about its input.
        let (calls_each, input_each) = if let Some(each) = each {
            (each.calls, each.input)
        } else if counted.calls > 0.0 {
            (counted.calls / counted.tasks, counted.input / counted.tasks)
        } else if unseen.tasks > 0 {
            (1.0, (terms.tokens)(unseen.bytes) as f64 / tasks)
        } else {
            (1.0, 0.0)
        };
        // What tasks ask after their first questions: repairs, and questions that build on answers.
        let later = each.map_or(0.0, |each| {
            let first = counted.calls + counted.journaled_of_asking;
            (each.calls * counted.tasks - first).max(0.0)
        });
        Estimated {
            calls: tasks * calls_each + later,
            input: tasks * input_each + later * input_each / calls_each.max(1.0),
            calls_each,
            input_each,
        }
    }
}

/// Means of what one task took.
struct Each {
    calls: f64,
    input: f64,
    output: f64,
}

impl Each {
    fn of(took: &[TaskUsage]) -> Option<Each> {
        let mean = |part: fn(&TaskUsage) -> u64| {
            let sum: f64 = took.iter().map(|task| part(task) as f64).sum();
            sum / took.len() as f64
        };
        let each = Each {
            calls: mean(|task| task.calls),
            input: mean(|task| task.input),
            output: mean(|task| task.output),
        };
        (each.calls > 0.0).then_some(each)
    }
}

/// Rounded; what is out of range becomes the nearest that is not.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms() -> CostModel<impl Fn(u64) -> u64, impl Fn(u64, u64, u64) -> Option<u64>> {
        CostModel {
            cap: 500,
            tokens: |bytes| bytes / 4,
            cost: |_, input, output| Some(input + 10 * output),
        }
    }

    fn prompts(all: &[Prompt]) -> Prompts {
        let mut prompts = Prompts::new(SAMPLE);
        for (place, prompt) in all.iter().enumerate() {
            assert!(prompts.wants(place as u64));
            prompts.add(place as u64, *prompt);
        }
        prompts
    }

    const ASKS: Prompt = Prompt {
        shared: 0,
        calls: 1,
        bytes: 400,
        journaled: 0,
    };

    #[test]
    fn a_spread_is_by_nearest_rank() {
        assert_eq!(Quantiles::of(vec![]), None);
        assert_eq!(Quantiles::of(vec![7]), Some(Quantiles::all(7)));
        let spread = Quantiles::of((1..=100).rev().collect()).unwrap();
        assert_eq!((spread.p10, spread.p50, spread.p90), (10, 50, 90));
    }

    #[test]
    fn without_experience_the_cap_is_what_answers_can_take() {
        let answered = Prompt {
            journaled: 2,
            ..Prompt::default()
        };
        let forecast = forecast(
            &prompts(&[ASKS, ASKS, answered]),
            Unseen::default(),
            &[],
            &terms(),
        );
        assert_eq!(
            forecast,
            Forecast {
                calls: Amount {
                    counted: 2,
                    estimated: 0
                },
                from_journal: 2,
                input_tokens: Amount {
                    counted: 200,
                    estimated: 0
                },
                output_tokens: 1000,
                basis: Basis::Cap,
                observed_tasks: 0,
                output_tokens_per_task: Some(Quantiles::all(500)),
                cost_micros: Some(10_200),
                cost_micros_per_task: Some(Quantiles::all(5100)),
                cached: None,
                looked_at: LookedAt { tasks: 3, of: 3 },
            }
        );
    }

    #[test]
    fn experience_tells_repairs_and_what_is_not_seen_yet() {
        let took: Vec<TaskUsage> = (1..=10)
            .map(|place| TaskUsage {
                calls: 2,
                input: 300,
                output: 10 * place,
            })
            .collect();
        let unseen = Unseen {
            tasks: 3,
            bytes: 9999,
        };
        let forecast = forecast(&prompts(&[ASKS, ASKS]), unseen, &took, &terms());
        // Two first questions, two later ones, and two for each of the three that are not seen.
        assert_eq!((forecast.calls.counted, forecast.calls.estimated), (2, 8));
        assert_eq!(forecast.input_tokens.counted, 200);
        assert_eq!(forecast.input_tokens.estimated, 3 * 300 + 2 * 150);
        assert_eq!(forecast.output_tokens, 10 * 55 / 2);
        let spread = forecast.output_tokens_per_task.unwrap();
        assert_eq!((spread.p10, spread.p50, spread.p90), (10, 50, 90));
        assert_eq!(forecast.cost_micros_per_task.unwrap().p90, 300 + 900);
    }

    #[test]
    fn of_what_was_never_seen_the_size_of_what_it_is_given_is_taken() {
        let unseen = Unseen {
            tasks: 5,
            bytes: 4000,
        };
        let forecast = forecast(&prompts(&[]), unseen, &[], &terms());
        assert_eq!((forecast.calls.counted, forecast.calls.estimated), (0, 5));
        assert_eq!(forecast.input_tokens.estimated, 1000);
        assert_eq!(forecast.output_tokens, 2500);
    }

    #[test]
    fn nothing_to_ask_takes_nothing() {
        let forecast = forecast(&prompts(&[]), Unseen::default(), &[], &terms());
        assert_eq!((forecast.calls.total(), forecast.cost_micros), (0, Some(0)));
        assert_eq!(forecast.output_tokens_per_task, None);
    }

    proptest! {
        #[test]
        fn a_sample_is_bounded_and_stands_for_all(
            hashes in prop::collection::vec(any::<u64>(), 0..2000), most in 1..200_usize
        ) {
            let mut prompts = Prompts::new(most);
            for hash in &hashes {
                if prompts.wants(*hash) {
                    prompts.add(*hash, ASKS);
                }
            }
            let LookedAt { tasks: looked_at, of: tasks } = prompts.looked_at();
            prop_assert_eq!(tasks, hashes.len() as u64);
            prop_assert!(looked_at <= most as u64);
            if looked_at > 0 {
                let forecast = forecast(&prompts, Unseen::default(), &[], &terms());
                prop_assert_eq!(forecast.calls.counted, tasks);
            }
        }
    }
}
