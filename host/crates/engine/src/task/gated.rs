//! The gate behind a component: its file goes to dependents if rules and judge let it pass. What they refuse is asked for anew with what
//! they said, or held until a person decides. Nothing that is asked for anew is written.
//!
//! The judge is performed here as soon as there is a text, by its own task's fingerprint and keys: when that task runs, its answers are
//! in the journal.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::{Attempt, Ended, Spent, Stop, Task, Texts, UpstreamFile};
use crate::likeness::{Earlier, Likest, form};
use crate::meter::Event;
use crate::step::{self, TaskFailure};
use config::component::{Component, GateRules};
use plan::decision::Reason;
use plan::gate::{Gate, Otherwise, Shut};
use plan::verdict::{self, Giver, Verdict};
use quality::Document;
use store::StoreError;
use types::class::FailureClass;
use types::digest::Digest;

/// What making a file takes.
pub(super) struct Remaking<'a> {
    pub reason: Reason,
    /// Hash of the file that is there.
    pub found: Option<Digest>,
    pub path: String,
    /// Component and hash of each file that it is made from.
    pub contents: &'a [(&'a str, Option<Digest>)],
}

/// Whether an artifact passes.
enum Passage {
    Open,
    /// In words, why it does not.
    Held(String),
    /// It is to be asked for anew.
    Again,
}

impl Task<'_> {
    /// Lets a file that stays pass its gate, or makes it anew, where that may be done now.
    pub(super) async fn pass_kept(
        &self,
        ended: Ended,
        (base, content): (Digest, Digest),
        again: Option<Remaking<'_>>,
        upstreams: Vec<UpstreamFile<'_>>,
    ) -> Result<Ended, StoreError> {
        let Ended::Ready { ready, .. } = &ended else {
            return Ok(ended);
        };
        let mut verdicts = self.verdicts.to_vec();
        let path = ready.path.clone();
        let text = || self.context.staleness.text(&path);
        let passed = self.pass(base, content, text, again.is_some(), &mut verdicts);
        match passed.await {
            Ok(Passage::Open) => Ok(ended),
            Ok(Passage::Held(held)) => Ok(ended.held(held)),
            Ok(Passage::Again) => match again {
                Some(remaking) => {
                    let texts = self.texts(upstreams);
                    self.rounds(remaking, texts, verdicts).await
                }
                None => Ok(ended),
            },
            Err(Stop::Store(error)) => Err(error),
            // The file stays in any case; nobody gets it before it is judged.
            Err(Stop::Waits) => Ok(Ended::Waits),
            Err(Stop::Failed { class, cause }) => {
                Ok(ended.held(format!("it could not be judged ({class}): {cause}")))
            }
            Err(Stop::Interrupted | Stop::Held) => Ok(Ended::Interrupted),
        }
    }

    /// Makes the file, and makes it anew as long as its gate is shut and asks for that.
    pub(super) async fn rounds(
        &self,
        remaking: Remaking<'_>,
        texts: Result<Texts<'_>, TaskFailure>,
        mut verdicts: Vec<Verdict>,
    ) -> Result<Ended, StoreError> {
        let Remaking {
            reason,
            found,
            path,
            contents,
        } = remaking;
        loop {
            let staleness = &self.context.staleness;
            let made_from = staleness.made_from(self.component, self.record, contents, &verdicts);
            let base = made_from.base;
            let attempt: Attempt<'_> = self.attempt(made_from, path.clone(), contents);
            let mut spent = Spent::default();
            let made = match &texts {
                Ok(texts) => attempt.execute(texts, &mut spent).await,
                Err(failure) => Err(failure.clone().into()),
            };
            let text: Arc<str> = match made {
                Ok(text) => text.into(),
                failed => return attempt.end(reason, found, failed, spent).await,
            };
            let content = Digest::of(text.as_bytes());
            let at_hand = || Ok(Arc::clone(&text));
            let passed = self.pass(base, content, at_hand, true, &mut verdicts);
            let made = Ok(text.to_string());
            return match passed.await {
                Ok(Passage::Again) => {
                    attempt.count(&made, &spent);
                    continue;
                }
                Ok(Passage::Open) => attempt.end(reason, found, made, spent).await,
                Ok(Passage::Held(held)) => {
                    Ok(attempt.end(reason, found, made, spent).await?.held(held))
                }
                Err(stop) => attempt.end(reason, found, Err(stop), spent).await,
            };
        }
    }

    /// Holds an artifact against the gate, and has it judged where that was not done yet. What is said is added to the verdicts.
    async fn pass(
        &self,
        base: Digest,
        content: Digest,
        text: impl Fn() -> io::Result<Arc<str>>,
        may_run: bool,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<Passage, Stop> {
        let Some(gate) = &self.component.gate else {
            return Ok(Passage::Open);
        };
        let name = &self.component.name;
        let mut given = Vec::new();
        let decided = verdicts.iter().any(|verdict| {
            verdict.giver == Giver::Person
                && verdict.component == *name
                && verdict.content == content
        });
        if !decided {
            if let Some(ruled) = self.ruled(content, &text, verdicts).await? {
                verdict::add(verdicts, ruled.clone());
                given.push(ruled);
            }
            // What a rule refuses need not be judged.
            let is_refused = matches!(
                gate.shut(verdicts, name, content),
                Some(Shut::Refused {
                    giver: Giver::Rules,
                    ..
                })
            );
            if !is_refused && let Some(judged) = self.judged(gate, content, &text, verdicts).await?
            {
                verdict::add(verdicts, judged.clone());
                given.push(judged);
            }
        }
        let shut = gate.shut(verdicts, name, content);
        let may_ask = may_run && gate.otherwise == Otherwise::Again;
        let passage = match shut {
            None => Passage::Open,
            Some(shut) if gate.otherwise == Otherwise::Warn => {
                let path = self
                    .component
                    .output
                    .path(&self.record.id, &self.record.category);
                let note = format!("{path} is not good enough: {}", shut.in_words());
                self.context.meter.tell(Event::Note(note));
                Passage::Open
            }
            Some(Shut::Refused { giver, .. })
                if may_ask
                    && giver != Giver::Person
                    && let Some(refusing) = to_tell(gate, verdicts, name, content, giver, base) =>
            {
                refusing.asked_again = Some(base);
                given.retain(|given| given.giver != giver);
                given.push(refusing.clone());
                Passage::Again
            }
            Some(shut) => Passage::Held(shut.in_words()),
        };
        if !given.is_empty() {
            let id = self.id();
            let given = self.context.workplace.give_verdicts(&id, given);
            given.await?;
        }
        Ok(passage)
    }

    /// What the rules of the gate say of an artifact, unless they said it before and nothing else can have changed it.
    async fn ruled(
        &self,
        content: Digest,
        text: impl Fn() -> io::Result<Arc<str>>,
        known: &[Verdict],
    ) -> Result<Option<Verdict>, Stop> {
        let Some(rules) = &self.component.rules else {
            return Ok(None);
        };
        let basis = rules.digest();
        let before = known.iter().find(|verdict| {
            verdict.giver == Giver::Rules
                && verdict.component == self.component.name
                && verdict.content == content
                && verdict.basis == Some(basis)
        });
        // A file that was too much like another one may be alone by now. One that came first stays, whatever comes behind it.
        let may_be_alone = |before: &Verdict| rules.max_similarity().is_some() && !before.passes;
        if before.is_some_and(|before| !rules.look_around() && !may_be_alone(before)) {
            return Ok(None);
        }
        let text = text().map_err(unreadable)?;
        let too_alike = self.too_alike(rules, &text).await?;
        // What was told the model stays what it is, also where another file is the one that is alike now.
        if too_alike.is_some() && before.is_some_and(|before| !before.passes) {
            return Ok(None);
        }
        let mut reasons = self.broken(rules, &text);
        reasons.extend(too_alike);
        let ruled = Verdict {
            component: self.component.name.clone(),
            content,
            giver: Giver::Rules,
            name: self.component.name.clone(),
            basis: Some(basis),
            passes: reasons.is_empty(),
            score: None,
            scores: BTreeMap::new(),
            reason: reasons.join("\n"),
            asked_again: before.and_then(|before| before.asked_again),
        };
        Ok((before != Some(&ruled)).then_some(ruled))
    }

    /// The rules that a text breaks by itself.
    fn broken(&self, rules: &GateRules, text: &str) -> Vec<String> {
        let path = self
            .component
            .output
            .path(&self.record.id, &self.record.category);
        let document = Document {
            text,
            form: form(self.component),
            path: &path,
        };
        let staleness = &self.context.staleness;
        // A worker does not see the output folder: the next look on the coordinator tells.
        let is_there =
            |path: &str| staleness.leased.is_some() || staleness.output_root.join(path).exists();
        let violations = quality::check(&rules.as_rules(), &document, &is_there);
        violations.iter().map(ToString::to_string).collect()
    }

    /// The file of another record that says nearly the same, in words for a person and a model.
    async fn too_alike(&self, rules: &GateRules, text: &str) -> Result<Option<String>, Stop> {
        let Some(most) = rules.max_similarity() else {
            return Ok(None);
        };
        let staleness = &self.context.staleness;
        let earlier = Earlier {
            store: staleness.store.clone(),
            dataset: staleness.indexed,
            output_root: staleness.output_root.clone(),
        };
        let likeness = &self.context.likeness;
        let likest = likeness.put(self.component, &self.record.id, text, earlier);
        let likest = likest.await?;
        let too_alike = likest.filter(|likest| likest.similarity > most);
        Ok(too_alike.map(|Likest { record, similarity }| {
            format!(
                "{:.0} % of it is word for word in the text of another record, `{record}`: it must say what is particular to this one",
                similarity * 100.0
            )
        }))
    }

    /// What the judge says of an artifact, unless it is the last thing that it said.
    async fn judged(
        &self,
        gate: &Gate,
        content: Digest,
        text: impl Fn() -> io::Result<Arc<str>>,
        known: &[Verdict],
    ) -> Result<Option<Verdict>, Stop> {
        let context = self.context;
        let judge = gate.judge.as_ref();
        let judge: Option<&Component> =
            judge.and_then(|judge| context.components.iter().find(|other| other.name == *judge));
        let Some(judge) = judge else {
            return Ok(None);
        };
        let contents = [(self.component.name.as_str(), Some(content))];
        let made_from = context
            .staleness
            .made_from(judge, self.record, &contents, known);
        let basis = made_from.fingerprint;
        let mut said = known.iter().rev().filter(|verdict| {
            verdict.component == self.component.name
                && verdict.content == content
                && verdict.giver == Giver::Judge
                && verdict.name == judge.name
        });
        if said.next().is_some_and(|last| last.basis == Some(basis)) {
            return Ok(None);
        }
        if let Some(before) = said.find(|verdict| verdict.basis == Some(basis)) {
            return Ok(Some(before.clone()));
        }
        let text = text().map_err(unreadable)?;
        let task = Task {
            context,
            component: judge,
            record: self.record,
            seen: self.seen,
            place: self.place,
            checkpoint: None,
            judges_for: Some(&self.component.name),
            verdicts: known,
        };
        let path = judge.output.path(&self.record.id, &self.record.category);
        let attempt = task.attempt(made_from, path, &contents);
        let texts: Texts<'_> = vec![(self.component, text)];
        let mut spent = Spent::default();
        match Box::pin(attempt.execute(&texts, &mut spent)).await {
            Ok(artifact) => {
                let judgement = step::judgement(judge, &artifact).and_then(Result::ok);
                Ok(judgement.map(|judgement| {
                    let judged = self.component.name.clone();
                    judgement.verdict(judged, content, &judge.name, basis)
                }))
            }
            // The judge's own task tells of it.
            Err(Stop::Failed { class, .. }) if !class.may_pass() => Ok(None),
            Err(Stop::Held) => Ok(None),
            Err(stop) => Err(stop),
        }
    }
}

/// A file that is to be judged cannot be read.
fn unreadable(error: io::Error) -> Stop {
    Stop::Failed {
        class: FailureClass::Output,
        cause: format!("cannot read the file that is to be judged: {error}"),
    }
}

/// The verdict that an artifact is asked for anew with; nothing where that was done often enough, or where the same was told before and the
/// same text came of it.
fn to_tell<'a>(
    gate: &Gate,
    verdicts: &'a mut [Verdict],
    component: &str,
    content: Digest,
    giver: Giver,
    base: Digest,
) -> Option<&'a mut Verdict> {
    let told = verdicts
        .iter()
        .filter(|verdict| verdict.component == component && verdict.asked_again == Some(base));
    if told.count() >= gate.retries as usize {
        return None;
    }
    let mut last = verdicts.iter_mut().rev();
    let refusing = last.find(|verdict| {
        verdict.component == component && verdict.content == content && verdict.giver == giver
    });
    refusing.filter(|verdict| verdict.asked_again != Some(base))
}

impl Ended {
    /// The same; dependents do not get the file, for this cause.
    fn held(self, cause: String) -> Ended {
        match self {
            Ended::Ready {
                ready,
                end,
                by_stand_in,
                written,
                ..
            } => Ended::Ready {
                ready,
                end,
                by_stand_in,
                held: Some(cause),
                written,
            },
            ended => ended,
        }
    }
}
