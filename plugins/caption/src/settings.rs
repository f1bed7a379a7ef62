//! The settings that a caption shows, in the words of the record.

use materials::material::{Material, Setting};
use sdk::{markdown, rules};

/// What readers want to know first. Other settings come behind, in the order of the record.
const FIRST: [&str; 5] = [
    "wavelength",
    "pulse_duration",
    "fluence",
    "repetition_rate",
    "spot_diameter",
];

/// Settings that are shown however long the rest of the caption is.
const ALWAYS: usize = 3;

/// Most words of one setting: a caption has no room for longer ones.
const MOST_WORDS: usize = 6;

/// Settings as `pulse duration 30 ns`, the most important first.
pub(crate) struct Settings(Vec<String>);

impl Settings {
    /// Those that the record has.
    pub(crate) fn of(material: &Material) -> Self {
        let mut settings = material.settings();
        let rank = |setting: &Setting| {
            let place = FIRST.iter().position(|key| *key == setting.quantity.key);
            place.unwrap_or(FIRST.len())
        };
        settings.sort_by_key(rank);
        let shown = settings.iter().filter_map(shown);
        Settings(
            shown
                .filter(|text| rules::words(text) <= MOST_WORDS)
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Words of the sentence with the fewest settings and of that with all of them.
    pub(crate) fn words(&self) -> (usize, usize) {
        let words = |count| sentence(self.0.get(..count)).map_or(0, |text| rules::words(&text));
        (words(ALWAYS.min(self.0.len())), words(self.0.len()))
    }

    /// A sentence of at least so many words, if there are settings enough; none without any.
    pub(crate) fn sentence(&self, words: usize) -> Option<String> {
        let enough = (ALWAYS..self.0.len()).find(|count| {
            sentence(self.0.get(..*count)).is_some_and(|text| rules::words(&text) >= words)
        });
        sentence(self.0.get(..enough.unwrap_or(self.0.len())))
    }
}

fn shown(setting: &Setting) -> Option<String> {
    let value = setting.typical_text().or_else(|| setting.window_text())?;
    Some(format!("{} {value}", setting.quantity.label))
}

fn sentence(settings: Option<&[String]>) -> Option<String> {
    let settings = settings.filter(|settings| !settings.is_empty())?;
    Some(format!("Settings: {}.", markdown::listed(settings)))
}
