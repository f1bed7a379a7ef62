//! What numbers measure, as far as the same may be said in other units: "0.5 kg" is "500 g".

/// A unit, and what it is of the first one that measures the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    kind: u8,
    factor: f64,
}

impl Measure {
    /// What one of this unit is in another that measures the same.
    pub fn in_units_of(self, other: Measure) -> Option<f64> {
        (self.kind == other.kind).then(|| self.factor / other.factor)
    }
}

/// Units by what they measure: symbols are matched to the letter, names in lower case.
const UNITS: [&[(&str, f64)]; 12] = [
    &[
        ("g", 1.0),
        ("kg", 1e3),
        ("mg", 1e-3),
        ("µg", 1e-6),
        ("ug", 1e-6),
        ("t", 1e6),
        ("gram", 1.0),
        ("grams", 1.0),
        ("gramm", 1.0),
        ("kilogram", 1e3),
        ("kilograms", 1e3),
        ("kilogramm", 1e3),
        ("kilo", 1e3),
        ("kilos", 1e3),
        ("milligram", 1e-3),
        ("milligrams", 1e-3),
        ("milligramm", 1e-3),
        ("tonne", 1e6),
        ("tonnes", 1e6),
        ("tonnen", 1e6),
    ],
    &[
        ("m", 1.0),
        ("km", 1e3),
        ("dm", 0.1),
        ("cm", 1e-2),
        ("mm", 1e-3),
        ("µm", 1e-6),
        ("um", 1e-6),
        ("nm", 1e-9),
        ("metre", 1.0),
        ("metres", 1.0),
        ("meter", 1.0),
        ("meters", 1.0),
        ("kilometre", 1e3),
        ("kilometres", 1e3),
        ("kilometer", 1e3),
        ("kilometers", 1e3),
        ("centimetre", 1e-2),
        ("centimetres", 1e-2),
        ("centimeter", 1e-2),
        ("centimeters", 1e-2),
        ("millimetre", 1e-3),
        ("millimetres", 1e-3),
        ("millimeter", 1e-3),
        ("millimeters", 1e-3),
        ("micron", 1e-6),
        ("microns", 1e-6),
        ("micrometers", 1e-6),
        ("micrometres", 1e-6),
        ("nanometers", 1e-9),
        ("nanometres", 1e-9),
    ],
    &[
        ("l", 1.0),
        ("L", 1.0),
        ("dl", 0.1),
        ("cl", 1e-2),
        ("ml", 1e-3),
        ("mL", 1e-3),
        ("hl", 100.0),
        ("litre", 1.0),
        ("litres", 1.0),
        ("liter", 1.0),
        ("liters", 1.0),
        ("millilitres", 1e-3),
        ("milliliters", 1e-3),
        ("milliliter", 1e-3),
        ("millilitre", 1e-3),
        ("centiliter", 1e-2),
        ("centilitres", 1e-2),
    ],
    &[
        ("s", 1.0),
        ("sec", 1.0),
        ("secs", 1.0),
        ("ms", 1e-3),
        ("µs", 1e-6),
        ("us", 1e-6),
        ("ns", 1e-9),
        ("ps", 1e-12),
        ("min", 60.0),
        ("mins", 60.0),
        ("h", 3600.0),
        ("hr", 3600.0),
        ("hrs", 3600.0),
        ("d", 86400.0),
        ("second", 1.0),
        ("seconds", 1.0),
        ("sekunde", 1.0),
        ("sekunden", 1.0),
        ("minute", 60.0),
        ("minutes", 60.0),
        ("minuten", 60.0),
        ("hour", 3600.0),
        ("hours", 3600.0),
        ("stunde", 3600.0),
        ("stunden", 3600.0),
        ("day", 86400.0),
        ("days", 86400.0),
        ("tag", 86400.0),
        ("tage", 86400.0),
        ("week", 604_800.0),
        ("weeks", 604_800.0),
        ("woche", 604_800.0),
        ("wochen", 604_800.0),
    ],
    &[
        ("month", 1.0),
        ("months", 1.0),
        ("monat", 1.0),
        ("monate", 1.0),
        ("year", 12.0),
        ("years", 12.0),
        ("jahr", 12.0),
        ("jahre", 12.0),
    ],
    &[
        ("W", 1.0),
        ("mW", 1e-3),
        ("kW", 1e3),
        ("MW", 1e6),
        ("GW", 1e9),
        ("watt", 1.0),
        ("watts", 1.0),
        ("kilowatt", 1e3),
        ("kilowatts", 1e3),
    ],
    &[
        ("J", 1.0),
        ("mJ", 1e-3),
        ("kJ", 1e3),
        ("MJ", 1e6),
        ("Wh", 3600.0),
        ("kWh", 3.6e6),
        ("MWh", 3.6e9),
    ],
    &[
        ("V", 1.0),
        ("mV", 1e-3),
        ("kV", 1e3),
        ("volt", 1.0),
        ("volts", 1.0),
    ],
    &[
        ("A", 1.0),
        ("mA", 1e-3),
        ("µA", 1e-6),
        ("Ah", 1.0),
        ("mAh", 1e-3),
    ],
    &[("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9)],
    &[
        ("Pa", 1.0),
        ("hPa", 100.0),
        ("kPa", 1e3),
        ("MPa", 1e6),
        ("GPa", 1e9),
        ("bar", 1e5),
        ("mbar", 100.0),
    ],
    &[
        ("B", 1.0),
        ("kB", 1e3),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ],
];

/// What a unit measures, if it is one that has others.
pub(super) fn of(unit: &str) -> Option<Measure> {
    if unit.is_empty() || unit.len() > 12 {
        return None;
    }
    let named = unit.to_lowercase();
    UNITS.iter().zip(0u8..).find_map(|(units, kind)| {
        let fits = |name: &str| name == unit || (name.len() > 3 && name == named);
        let (_, factor) = units.iter().find(|(name, _)| fits(name))?;
        Some(Measure {
            kind,
            factor: *factor,
        })
    })
}

/// What the name of a field says that it measures: `weight_kg`, `Weight (kg)`, `Duration in minutes`.
pub(super) fn of_key(key: &str) -> Option<Measure> {
    let mut words = key
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let last = words.next_back()?;
    words.next()?;
    of(last)
}

/// What a word behind a number multiplies it by.
pub(super) fn scale(word: &str) -> Option<f64> {
    Some(match word {
        "k" | "K" => 1e3,
        "M" | "m" => 1e6,
        "B" | "bn" | "Bn" => 1e9,
        _ => match word.to_lowercase().as_str() {
            "hundred" | "hundert" => 1e2,
            "thousand" | "thousands" | "tausend" | "tsd" => 1e3,
            "million" | "millions" | "millionen" | "mio" | "mn" => 1e6,
            "billion" | "billions" | "milliarde" | "milliarden" | "mrd" => 1e9,
            "trillion" | "trillions" | "billionen" => 1e12,
            _ => return None,
        },
    })
}
