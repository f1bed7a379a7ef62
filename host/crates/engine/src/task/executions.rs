//! The executions of an attempt: the component runs again and again, each time with one more answer, until it ends.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Attempt, Spent, Stop, Task, Texts};
use crate::held::{self, Weight};
use crate::input::{self, UpstreamText};
use crate::step::{Executions, Step, TaskFailure};
use crate::workplace::Told;
use dataset::{Fetching, Fields};
use gateway::error::{Billed, GatewayError};
use gateway::lane::Caller;
use gateway::providers::offline;
use plan::decision::{Author, LastOutcome};
use plugin::limits::Limits;
use plugin::sandbox::{self, Answered, Executed, LogLine, Question};
use store::{Bill, StoreError, TaskId};
use types::class::FailureClass;
use types::image::Pictures;
use types::request::{Answer, StopReason};

impl Attempt<'_> {
    /// Runs the component until it ends, each time with the answers to what it asked before.
    pub async fn execute(&self, texts: &Texts<'_>, spent: &mut Spent) -> Result<String, Stop> {
        let component = self.task.component;
        if let Some(texts) = &component.texts {
            let given = texts.get(&self.task.record.id).cloned();
            return given.ok_or_else(|| Stop::Failed {
                class: FailureClass::Record,
                cause: "there is no text of it".to_owned(),
            });
        }
        self.raise_generation().await?;
        let mut known = self.transcript()?.into_iter();
        let pictures = self.pictures().await?;
        let mut executions = Executions::new(
            component,
            self.generation,
            &self.made_from.feedback,
            pictures,
        );
        let mut lines = 0;
        let mut weight = Weight::new(&self.task.context.held);
        loop {
            // Nothing new is begun, but what was paid for is made use of: nothing more can be asked anyway.
            if executions.count() == 0 && self.task.context.interrupt.is_thrown() {
                return Err(Stop::Interrupted);
            }
            let executed;
            (executed, weight) = self
                .execute_once(&mut executions, texts, spent, weight)
                .await?;
            print_new(
                &executed.log,
                &mut lines,
                &component.name,
                &self.task.record.id,
            );
            match executions.step(executed.outcome) {
                Step::Made(text) => return Ok(text),
                Step::Failed(failure) => return Err(self.advised(failure, spent).into()),
                Step::Asks(mut questions) => {
                    // Answers of before are told one execution after the other, too: so a task that goes on
                    // takes as many executions as one that was never interrupted, and keeps the same limit.
                    let mut told: Vec<Answered> = known.by_ref().take(questions.len()).collect();
                    questions.drain(..told.len());
                    if !questions.is_empty() {
                        spent.may_ask(&component.limits)?;
                        told.extend(self.ask(questions, spent).await?);
                    }
                    for answered in &mut told {
                        spent.told(&answered.answer);
                        weight.tell(answered);
                    }
                    executions.tell(told);
                }
            }
        }
    }

    /// The pictures that it may show. Those at addresses are fetched now, by a thread that may wait.
    async fn pictures(&self) -> Result<Pictures, Stop> {
        let Task {
            context,
            component,
            record,
            ..
        } = *self.task;
        let names = component.input.images.clone();
        if names.is_empty() {
            return Ok(Pictures::new());
        }
        let of_field = |name: &String| Some((name.clone(), record.fields.get(name)?.clone()));
        let fields: Fields = names.iter().filter_map(of_field).collect();
        let facts = Arc::clone(&context.staleness.facts);
        let looked_at = tokio::task::spawn_blocking(move || {
            facts.images().map_or_else(Pictures::new, |images| {
                input::pictures(images, &names, &fields, Fetching::Now)
            })
        });
        looked_at.await.map_err(|error| Stop::Failed {
            class: FailureClass::Defect,
            cause: format!("the pictures could not be looked at: {error}"),
        })
    }

    /// Makes it durable that the task asks in a new generation, if it does.
    async fn raise_generation(&self) -> Result<(), StoreError> {
        let checkpoint = self.task.checkpoint;
        if checkpoint.is_some_and(|point| point.generation < self.generation) {
            // Durable before anything is asked, or a crash would ask in the old generation again; and due,
            // or the run after the crash would raise it once more.
            let cause = checkpoint.and_then(|point| point.cause.clone());
            let raised = self.checkpoint(LastOutcome::Due, cause, false, Spent::default());
            let context = self.task.context;
            Box::pin(context.workplace.complete(raised)).await?;
        }
        Ok(())
    }

    /// What the task was told before it was interrupted. Without a checkpoint there may be answers too, after a kill: they are
    /// found by their keys.
    fn transcript(&self) -> Result<Vec<Answered>, StoreError> {
        if self.task.component.parameters.is_none() || self.task.checkpoint.is_none() {
            return Ok(Vec::new());
        }
        let workplace = &self.task.context.workplace;
        let told =
            workplace.transcript(&self.task.id(), self.made_from.fingerprint, self.generation)?;
        let told = told.into_iter().map(|(key, answer)| Answered {
            key,
            answer,
            request: None,
        });
        Ok(told.collect())
    }

    /// Runs the component once, on a thread of the sandbox, and books what it asks. It begins only where there is room.
    async fn execute_once(
        &self,
        executions: &mut Executions<'_>,
        texts: &Texts<'_>,
        spent: &mut Spent,
        weight: Weight,
    ) -> Result<(Executed, Weight), Stop> {
        let Task {
            context,
            component,
            record,
            ..
        } = *self.task;
        let limits = component.limits;
        let left = limits.task_cpu.saturating_sub(spent.cpu);
        let limits = Limits {
            cpu: limits.cpu.min(left),
            ..limits
        };
        // Built for each execution, so that a task that waits for an answer holds no copy of its record.
        let texts = UpstreamText::of(texts);
        let input = Arc::new(context.staleness.input(component, record, &texts));
        let execution = executions.next(input, limits)?;
        spent.executions = executions.count();
        if left.is_zero() {
            return Err(Stop::Failed {
                class: FailureClass::Limit,
                cause: format!(
                    "its executions used more than {} ms of CPU time together",
                    limits.task_cpu.as_millis()
                ),
            });
        }
        let plugin = Arc::clone(&component.plugin);
        let span = tracing::debug_span!("execution", number = i64::from(spent.executions));
        let run = move |execution| span.in_scope(|| sandbox::execute(&plugin, execution));
        let is_first = spent.executions == 1;
        let executing = held::execute(&context.pool, weight, is_first, execution, run);
        let (executed, weight) = executing.await.map_err(|lost| Stop::Failed {
            class: FailureClass::Machine,
            cause: lost.to_string(),
        })?;
        spent.cpu += executed.cpu;
        Ok((executed, weight))
    }

    /// Gets the answers to all questions at once; those that came are kept if another fails.
    async fn ask(
        &self,
        questions: Vec<Question>,
        spent: &mut Spent,
    ) -> Result<Vec<Answered>, Stop> {
        let id = self.task.id();
        let Task {
            context, component, ..
        } = *self.task;
        let Some(parameters) = &component.parameters else {
            return Ok(Vec::new());
        };
        let calls = questions.iter().map(|question| async {
            let mut billed = Vec::new();
            let (key, request) = (question.key, &question.request);
            let caller = Caller {
                record: &self.task.record.id,
                component: &component.name,
                task: self.task.judges_for.unwrap_or(&component.name),
                mode: component.mode,
                place: self.task.place,
                fingerprint: self.made_from.fingerprint,
                generation: self.generation,
                cancelled: context.repeated.held(&component.name),
            };
            let gateway = &context.gateway;
            let result = gateway
                .answer(parameters, key, request, caller, &mut billed)
                .await;
            (result, billed)
        });
        let (results, billed): (Vec<_>, Vec<Vec<Billed>>) =
            join_all(calls).await.into_iter().unzip();
        let billed = billed.concat();
        // Boxed, as is what follows the answers: the many tasks that wait for them have no room for it.
        if !billed.is_empty() {
            Box::pin(self.bill(&id, billed, spent)).await?;
        }
        let mut entries = Vec::with_capacity(questions.len());
        let mut told = Vec::with_capacity(questions.len());
        for (question, result) in questions.into_iter().zip(results) {
            let (completion, answer, cost) = result.map_err(|error| match error {
                GatewayError::Call(error) if error.class == FailureClass::Budget => {
                    context.spent_all();
                    Stop::Interrupted
                }
                GatewayError::Waits => Stop::Waits,
                GatewayError::Call(_) if self.task.is_held() => Stop::Held,
                GatewayError::Call(error) => Stop::Failed {
                    class: error.class,
                    cause: error.message,
                },
                GatewayError::Journal(error) => Stop::Store(error),
            })?;
            spent.micros = spent.micros.saturating_add(cost);
            entries.push(Told {
                position: question.position,
                key: question.key,
                completion,
            });
            told.push(question.answered(answer));
        }
        let workplace = &context.workplace;
        let append =
            workplace.append_transcript(id, self.made_from.fingerprint, self.generation, entries);
        Box::pin(append).await?;
        Ok(told)
    }

    /// The same failure, with what to do where answers were cut off.
    fn advised(&self, failure: TaskFailure, spent: &Spent) -> TaskFailure {
        let Task {
            context, component, ..
        } = self.task;
        let advice = component
            .parameters
            .as_ref()
            .and_then(|parameters| context.gateway.advice_on_cap(parameters))
            .filter(|_| spent.is_cut_off && failure.class == FailureClass::InvalidOutput);
        match advice {
            Some(advice) => TaskFailure {
                cause: format!("{} ({advice})", failure.cause),
                ..failure
            },
            None => failure,
        }
    }

    /// Books tries that were billed and brought no answer, unless they are booked already.
    async fn bill(
        &self,
        id: &TaskId,
        billed: Vec<Billed>,
        spent: &mut Spent,
    ) -> Result<(), StoreError> {
        for unused in &billed {
            spent.usage += unused.usage;
            spent.micros = spent.micros.saturating_add(unused.micros.unwrap_or(0));
        }
        let billed: Vec<Billed> = billed
            .into_iter()
            .filter(|unused| !unused.is_booked)
            .collect();
        if billed.is_empty() {
            return Ok(());
        }
        let bill = Bill {
            task: id.clone(),
            fingerprint: self.made_from.fingerprint,
            generation: self.generation,
            tries: billed,
        };
        self.task.context.workplace.bill(bill).await
    }
}

impl Spent {
    fn told(&mut self, answer: &Answer) {
        self.calls += 1;
        self.is_cut_off = false;
        if let Answer::Completion(completion) = answer {
            self.usage += completion.usage;
            self.by_stand_in |= completion.model == offline::NAME;
            self.model = Some(completion.model.clone());
            self.is_cut_off = completion.stop == StopReason::Length;
        }
    }

    /// Who wrote what comes of it.
    pub(super) fn author(&self) -> Author {
        match &self.model {
            _ if self.by_stand_in => Author::StandIn,
            Some(_) => Author::Model,
            None => Author::Component,
        }
    }

    /// Whether more may be asked.
    fn may_ask(&self, limits: &Limits) -> Result<(), Stop> {
        let tokens = self
            .usage
            .input_tokens
            .saturating_add(self.usage.output_tokens);
        let cause = if limits.tokens.is_some_and(|most| tokens >= most) {
            format!("it has used {tokens} tokens, and wants to ask more")
        } else if limits.cost.is_some_and(|most| self.micros >= most) {
            let dollars = self.micros as f64 / 1e6;
            format!("it has cost ${dollars:.4}, and wants to ask more")
        } else {
            return Ok(());
        };
        Err(Stop::Failed {
            class: FailureClass::Limit,
            cause,
        })
    }
}

impl From<TaskFailure> for Stop {
    fn from(failure: TaskFailure) -> Self {
        let TaskFailure { class, cause } = failure;
        Stop::Failed { class, cause }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Store(error)
    }
}

/// Prints what was logged beyond the replayed prefix.
fn print_new(log: &[LogLine], seen: &mut usize, component: &str, record: &str) {
    for line in log.iter().skip(*seen) {
        match line.level {
            tracing::Level::ERROR => tracing::error!(component, record, "{}", line.message),
            tracing::Level::WARN => tracing::warn!(component, record, "{}", line.message),
            tracing::Level::INFO => tracing::info!(component, record, "{}", line.message),
            _ => tracing::debug!(component, record, "{}", line.message),
        }
    }
    *seen = log.len().max(*seen);
}
