//! Texts that match a regular expression, for the `pattern` of a JSON Schema.
//!
//! Texts that the caller proposes come first. If none matches, one is generated from the
//! expression: literals, classes, groups, alternatives (the first) and repetitions. Look-around and
//! back-references are not understood; what is generated is checked before it is used.

use regex::Regex;

use super::chance::Chance;
use super::phrase::Length;

/// Most repetitions that are generated without being asked for.
const SPARE_REPEATS: usize = 12;
/// Most proposed texts that are completed.
const CANDIDATES: usize = 40;
/// Characters from which on nothing is repeated any more: a pattern may ask for billions.
const LONGEST: usize = 1 << 12;

/// A text that matches the pattern and has the length: a candidate that is not `taken`, or a
/// generated text.
pub fn matching(
    pattern: &str,
    length: Length,
    candidates: &[String],
    taken: impl Fn(&str) -> bool,
    chance: &mut Chance,
) -> Option<String> {
    let regex = Regex::new(pattern).ok()?;
    let suits = |text: &str| length.admits(text) && regex.is_match(text) && !taken(text);
    let mut shapes = candidates.iter().flat_map(|text| {
        let slug = slug(text);
        let compact = slug.replace('-', "");
        let snake = slug.replace('-', "_");
        let (upper, compact_upper) = (slug.to_uppercase(), compact.to_uppercase());
        [text.clone(), slug, compact, snake, upper, compact_upper]
    });
    if let Some(text) = shapes.find(|text| suits(text)) {
        return Some(text);
    }
    // "ends with ?", "begins with a number": a text that is proposed, with what is missing.
    for text in candidates.iter().take(CANDIDATES) {
        let affix = generate(pattern, 0, chance);
        let said = text.trim_end_matches(['.', '!', '?', ':']);
        let mut letters = said.chars();
        let upper: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(letters)
            .collect();
        let with = [
            format!("{upper}{affix}"),
            format!("{affix} {said}"),
            format!("{affix}{said}"),
        ];
        if let Some(text) = with.into_iter().find(|text| suits(text)) {
            return Some(text);
        }
    }
    (0..64)
        .map(|spare| generate(pattern, spare, chance))
        .find(|text| suits(text))
}

/// Lower-case words with hyphens.
pub fn slug(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// Writes a text for a pattern; the longer, the more `spare` repetitions there are.
fn generate(pattern: &str, spare: usize, chance: &mut Chance) -> String {
    let mut writer = Generator {
        rest: pattern.chars().collect(),
        at: 0,
        written: 0,
        spare: spare % (SPARE_REPEATS * 4),
        chance,
    };
    writer.alternatives()
}

struct Generator<'c> {
    rest: Vec<char>,
    at: usize,
    written: usize,
    spare: usize,
    chance: &'c mut Chance,
}

impl Generator<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Reads up to the end or the closing parenthesis; one alternative is kept.
    fn alternatives(&mut self) -> String {
        let mut all = vec![self.sequence()];
        while self.peek() == Some('|') {
            self.at += 1;
            all.push(self.sequence());
        }
        let chosen = self.chance.below(all.len());
        all.swap_remove(chosen)
    }

    fn sequence(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            let from = self.at;
            let unit = self.unit();
            let to = self.at;
            let (fewest, most) = self.repeats();
            let after = self.at;
            let spare = self.spare.min(most.saturating_sub(fewest));
            self.spare -= spare.min(self.spare);
            match fewest + spare {
                0 => {}
                times => {
                    text.push_str(&unit);
                    for _ in 1..times {
                        if self.written > LONGEST {
                            break;
                        }
                        // Written again, so that a repeated class does not repeat one letter.
                        self.at = from;
                        text.push_str(&self.unit());
                        self.at = to;
                    }
                }
            }
            self.at = after;
        }
        text
    }

    /// One literal, class or group.
    fn unit(&mut self) -> String {
        self.written += 1;
        match self.next() {
            Some('^' | '$') | None => String::new(),
            Some('(') => {
                if self.peek() == Some('?') {
                    while self.next().is_some_and(|c| c != ':' && c != '>') {}
                }
                let text = self.alternatives();
                self.at += usize::from(self.peek() == Some(')'));
                text
            }
            Some('[') => self.class(),
            Some('.') => self.pick(&letters()),
            Some('\\') => match self.next() {
                Some('b' | 'B' | 'A' | 'z') => String::new(),
                Some(c) => match escaped(c) {
                    Some(set) => self.pick(&set),
                    None => c.to_string(),
                },
                None => String::new(),
            },
            Some(c) => c.to_string(),
        }
    }

    fn class(&mut self) -> String {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut set = Vec::new();
        let mut first = true;
        while let Some(c) = self.next() {
            if c == ']' && !first {
                break;
            }
            first = false;
            let low = if c == '\\' {
                let Some(c) = self.next() else { break };
                if let Some(members) = escaped(c) {
                    set.extend(members);
                    continue;
                }
                c
            } else {
                c
            };
            let ranges =
                self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            if ranges {
                self.at += 1;
                let high = self.next().unwrap_or(low);
                // Enough members to choose from; a range may span all of Unicode.
                set.extend((low..=high).take(64));
            } else {
                set.push(low);
            }
        }
        if negated {
            let others: Vec<char> = letters()
                .into_iter()
                .chain('0'..='9')
                .chain([' ', '-'])
                .collect();
            set = others.into_iter().filter(|c| !set.contains(c)).collect();
        }
        self.pick(&set)
    }

    fn pick(&mut self, set: &[char]) -> String {
        set.get(self.chance.below(set.len()))
            .map(char::to_string)
            .unwrap_or_default()
    }

    /// How often the last unit stands: at least and at most.
    fn repeats(&mut self) -> (usize, usize) {
        let range = match self.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, SPARE_REPEATS * 4),
            Some('+') => (1, SPARE_REPEATS * 4),
            Some('{') => {
                let end = self.rest.iter().skip(self.at).position(|c| *c == '}');
                let body: String = self
                    .rest
                    .iter()
                    .skip(self.at + 1)
                    .take(end.unwrap_or(0).saturating_sub(1))
                    .collect();
                let (low, high) = body.split_once(',').unwrap_or((&body, &body));
                let Ok(low) = low.trim().parse::<usize>() else {
                    return (1, 1);
                };
                self.at += end.unwrap_or(0);
                (low, high.trim().parse().unwrap_or(low + SPARE_REPEATS * 4))
            }
            _ => return (1, 1),
        };
        self.at += 1;
        // Lazy and possessive marks change nothing about what matches.
        self.at += usize::from(matches!(self.peek(), Some('?' | '+')));
        range
    }
}

fn letters() -> Vec<char> {
    ('a'..='z').collect()
}

fn escaped(c: char) -> Option<Vec<char>> {
    Some(match c {
        'd' => ('0'..='9').collect(),
        'w' => letters(),
        's' => vec![' '],
        'D' | 'S' => letters(),
        'W' => vec!['-'],
        'n' => vec!['\n'],
        't' => vec!['\t'],
        _ => return None,
    })
}
