//! Strings: by pattern, from the fact of the same name, as titles, phrases or sentences.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::Value;

use super::Writer;
use super::place::{Focus, Form, Place, form, is_summary};
use crate::facts;
use crate::padding;
use crate::pattern;
use crate::phrase::{Length, exactly, phrases, sentences_within, titles};
use crate::schema::limit;
use crate::sentence::{capitalize, is_plural, label_of, said};
use crate::voice::{overlap, stems};

/// Texts that may not be longer than this are phrases, whatever their name is.
const LONGEST_PHRASE: usize = 30;
/// Texts that may not be shorter than this are sentences.
const LONGEST_TERM: usize = 40;
/// Most characters of a text, whatever the schema asks for.
const LONGEST: usize = 1 << 16;

/// Tells whether a text is not taken.
type Free<'t> = &'t dyn Fn(&str) -> bool;

impl Writer<'_, '_, '_> {
    pub(super) fn string(
        &mut self,
        schema: &Value,
        place: &Place<'_>,
        taken: &HashSet<String>,
    ) -> Value {
        let min = limit(schema, "minLength").unwrap_or(0).min(LONGEST);
        let length = Length {
            min,
            max: limit(schema, "maxLength").unwrap_or(usize::MAX),
        };
        let free = |text: &str| !taken.contains(&Value::from(text).to_string());
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && let Some(text) = self.matching(pattern, place, length, &free)
        {
            self.chars += text.len();
            return Value::from(text);
        }
        let form = form(place.name);
        let sentences = matches!(form, Form::Sentences) && length.max > LONGEST_PHRASE;
        let own = place.fact.and_then(facts::text);
        // A term is no sentence, even where it is long enough to pass for one.
        let own =
            own.filter(|text| !sentences || min < LONGEST_TERM || text.ends_with(['.', '!', '?']));
        let text = match own.filter(|text| length.admits(text) && free(text)) {
            Some(own) => Some(own),
            None if sentences => None,
            None if matches!(form, Form::Title) && length.max > LONGEST_PHRASE => {
                self.title(place, length, &free)
            }
            None => self.phrase(place, length, &free),
        };
        let text = text.or_else(|| self.sentences(place, length, &free));
        let text = text.unwrap_or_else(|| {
            // The limits leave no room for a sentence.
            let chars = length.min.max(length.max.min(12));
            let mut others = (0..4096).map(|number| exactly(chars, number));
            others.find(|text| free(text)).unwrap_or_default()
        });
        self.chars += text.len();
        self.said.insert(text.clone());
        Value::from(text)
    }

    fn matching(
        &mut self,
        pattern: &str,
        place: &Place<'_>,
        length: Length,
        free: Free<'_>,
    ) -> Option<String> {
        let own = place.fact.and_then(facts::text);
        let focus = place.focus.map(|focus| focus.term.clone());
        let known = phrases(self.voice, &place.about);
        let words = known
            .iter()
            .flat_map(|text| text.split(' '))
            .map(str::to_owned);
        let words: Vec<String> = words.collect();
        let candidates = own.into_iter().chain(focus).chain(known).chain(words);
        let candidates: Vec<String> = candidates.collect();
        let new = pattern::matching(
            pattern,
            length,
            &candidates,
            |text| !free(text),
            self.chance,
        );
        new.or_else(|| pattern::matching(pattern, length, &candidates, |_| false, self.chance))
    }

    fn title(&mut self, place: &Place<'_>, length: Length, free: Free<'_>) -> Option<String> {
        let focus = place.focus.filter(|_| !place.item);
        let focus = focus.map(|focus| capitalize(&said(&focus.term)));
        let own = place
            .name
            .eq_ignore_ascii_case("name")
            .then(|| self.voice.facts.name.clone());
        let mut all: Vec<String> = focus.into_iter().chain(own.flatten()).collect();
        all.extend(titles(self.voice));
        // If possible one that stands nowhere else in the answer.
        let fitting = || all.iter().filter(|text| length.admits(text) && free(text));
        let new = fitting().find(|text| !self.said.contains(*text));
        new.or_else(|| fitting().next()).cloned()
    }

    fn phrase(&mut self, place: &Place<'_>, length: Length, free: Free<'_>) -> Option<String> {
        let focus = place.focus.filter(|_| !place.item);
        let focus = focus.map(|focus| label_of(&focus.term).unwrap_or(&focus.term).to_owned());
        let voice = self.voice;
        let known = self.vocabulary.entry(place.about.clone());
        let known = known.or_insert_with_key(|about| phrases(voice, about));
        let mut all = focus.iter().chain(known.iter());
        all.find(|text| length.admits(text) && free(text)).cloned()
    }

    fn sentences(&mut self, place: &Place<'_>, length: Length, free: Free<'_>) -> Option<String> {
        let summary = is_summary(place.name);
        // Room that is given is used, but not for its own sake.
        let wish = length.max.saturating_mul(6) / 10;
        let wish = wish.min(if summary { 110 } else { 50 });
        let length = Length {
            min: length.min.max(wish),
            ..length
        };
        let subject = self.voice.subject.to_lowercase();
        let names = |text: &str| {
            !summary || place.focus.is_some() || text.to_lowercase().contains(&subject)
        };
        let mut candidates = self.candidates(place);
        for turn in 0..8 {
            let text = sentences_within(&candidates, length, self.said.len() + turn)?;
            if free(&text) && !self.said.contains(&text) && names(&text) {
                let used = candidates
                    .iter()
                    .filter(|candidate| text.contains(*candidate));
                self.said.extend(used.cloned());
                return Some(text);
            }
            if !candidates.is_empty() {
                candidates.remove(0);
            }
        }
        let room = length.max.min(length.min + 40).max(length.min);
        let sizes = (length.min..=room).rev();
        let mut padding = sizes.filter_map(|chars| padding::of_chars(chars, self.said.len()));
        padding.find(|text| free(text))
    }

    /// Sentences for this place: what was asked for, those about its focus, about its name, new ones, said ones.
    fn candidates(&self, place: &Place<'_>) -> Vec<String> {
        let mut candidates = Vec::new();
        let mut about = place.about.clone();
        if let Some(focus) = place.focus {
            candidates = self.about_focus(focus);
            about = stems(&focus.term);
        } else if is_summary(place.name) {
            candidates.extend(self.voice.heading.clone());
        }
        candidates.retain(|candidate| !self.said.contains(candidate));
        let mut statements: Vec<_> = self.voice.statements.iter().collect();
        // Related ones first, and those that name the subject before those that lean on it.
        let subject = self.voice.subject.to_lowercase();
        statements.sort_by_cached_key(|statement| {
            let named = statement.text.to_lowercase().contains(&subject);
            (Reverse(overlap(&about, &statement.stems)), !named)
        });
        let texts = statements
            .into_iter()
            .map(|statement| statement.text.clone());
        let (said, new): (Vec<_>, Vec<_>) = texts.partition(|text| self.said.contains(text));
        candidates.extend(new);
        candidates.extend(said);
        candidates
    }

    /// Sentences about one thing of a list.
    fn about_focus(&self, Focus { term, label }: &Focus) -> Vec<String> {
        let subject = &self.voice.subject;
        let mut sentences = Vec::new();
        if let Some(label) = label {
            let include = if is_plural(label) {
                "include"
            } else {
                "includes"
            };
            sentences.push(format!(
                "The {label} of {subject} {include} {}.",
                said(term)
            ));
        }
        sentences.push(format!(
            "This is a placeholder about {} of {subject}.",
            said(term)
        ));
        sentences.push(format!("This is a placeholder about {}.", said(term)));
        sentences
    }
}
