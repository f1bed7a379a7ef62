//! The bundled dataset keeps the schema that `data/README.md` documents: keys and units, plausible values,
//! prose without numbers, and category ranges that agree with the records.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::path::PathBuf;

use dataset::{Dataset, DatasetConfig, Record, is_safe_id};
use serde_json::{Map, Value};

/// Each category with its number of materials, in the order of the file.
const COUNTS: [(&str, usize); 8] = [
    ("ceramic", 5),
    ("composite", 13),
    ("glass", 8),
    ("masonry", 7),
    ("metal", 34),
    ("semiconductor", 4),
    ("stone", 18),
    ("wood", 20),
];

/// Each property with the least and the greatest value that is plausible.
const PROPERTIES: [(&str, f64, f64); 27] = [
    ("density_g_cm3", 0.1, 23.0),
    ("melting_point_c", -40.0, 3700.0),
    ("softening_point_c", 300.0, 1800.0),
    ("decomposition_temperature_c", 80.0, 3000.0),
    ("glass_transition_c", -130.0, 1300.0),
    ("boiling_point_c", 350.0, 6000.0),
    ("thermal_conductivity_w_m_k", 0.01, 500.0),
    ("specific_heat_j_kg_k", 100.0, 3000.0),
    ("thermal_expansion_um_m_k", 0.1, 300.0),
    ("thermal_diffusivity_mm2_s", 0.01, 200.0),
    ("youngs_modulus_gpa", 0.001, 600.0),
    ("tensile_strength_mpa", 0.1, 4000.0),
    ("compressive_strength_mpa", 0.5, 5000.0),
    ("flexural_strength_mpa", 0.5, 2000.0),
    ("fracture_toughness_mpa_sqrt_m", 0.1, 200.0),
    ("hardness_vickers_hv", 1.0, 4000.0),
    ("hardness_mohs", 0.5, 10.0),
    ("hardness_brinell_hb", 0.5, 700.0),
    ("hardness_janka_n", 400.0, 20_000.0),
    ("electrical_resistivity_ohm_m", 1e-8, 1e18),
    ("porosity_pct", 0.0, 90.0),
    ("water_absorption_pct", 0.0, 100.0),
    ("moisture_content_pct", 0.0, 30.0),
    ("refractive_index", 1.3, 4.5),
    ("band_gap_ev", 0.3, 10.0),
    ("reflectivity_1064nm_pct", 0.0, 100.0),
    ("absorptivity_1064nm_pct", 0.0, 100.0),
];

/// Each setting of a laser that has a window, with the limits of what cleaning lasers do.
const SETTINGS: [(&str, f64, f64); 8] = [
    ("pulse_duration_ns", 1.0, 500.0),
    ("fluence_j_cm2", 0.01, 20.0),
    ("average_power_w", 0.1, 2000.0),
    ("repetition_rate_khz", 1.0, 1000.0),
    ("scan_speed_mm_s", 10.0, 20_000.0),
    ("spot_diameter_um", 10.0, 2000.0),
    ("overlap_pct", 0.0, 95.0),
    ("passes", 1.0, 20.0),
];

const WORDS: [&str; 4] = ["poor", "fair", "good", "excellent"];
const RESISTANCES: [&str; 4] = [
    "corrosion_resistance",
    "wear_resistance",
    "weathering_resistance",
    "thermal_shock_resistance",
];
const FILLERS: [&str; 7] = ["none", "n/a", "na", "null", "unknown", "tbd", "-"];

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../data")
        .join(name)
}

fn open() -> Dataset {
    let mut config = DatasetConfig::new(data("materials.yaml"));
    config.records = "materials".into();
    Dataset::open(config).unwrap_or_else(|error| panic!("{error}"))
}

fn materials(dataset: &Dataset) -> Vec<Record> {
    let records: Result<Vec<_>, _> = dataset
        .entries()
        .map(|entry| entry.map(|(_, record)| record))
        .collect();
    records.unwrap_or_else(|error| panic!("{error}"))
}

/// Collects what is wrong, so that one run shows all of it.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, at: &str, holds: bool, fault: &str) {
        if !holds {
            self.0.push(format!("{at}: {fault}"));
        }
    }

    /// The keys are the allowed ones in this order, and those without `?` are all there.
    fn keys(&mut self, at: &str, value: &Value, allowed: &[&str]) {
        let names: Vec<&str> = allowed
            .iter()
            .map(|name| name.trim_start_matches('?'))
            .collect();
        let Some(object) = value.as_object() else {
            return self.check(at, false, "is no object");
        };
        let order: Vec<Option<usize>> = object
            .keys()
            .map(|key| names.iter().position(|name| name == key))
            .collect();
        self.check(
            at,
            order.iter().all(Option::is_some),
            &format!("unknown key among {:?}", object.keys()),
        );
        self.check(
            at,
            order.is_sorted(),
            "keys are not in the documented order",
        );
        for name in allowed.iter().filter(|name| !name.starts_with('?')) {
            self.check(at, object.contains_key(*name), &format!("has no {name}"));
        }
    }

    fn number(&mut self, at: &str, value: &Value, (least, greatest): (f64, f64)) {
        let number = value.as_f64();
        let holds = number.is_some_and(|number| (least..=greatest).contains(&number));
        self.check(
            at,
            holds,
            &format!("{value} is not in {least}..={greatest}"),
        );
    }

    fn count(&mut self, at: &str, value: &Value, (least, most): (usize, usize)) -> Vec<Value> {
        let list = value.as_array().cloned().unwrap_or_default();
        self.check(
            at,
            (least..=most).contains(&list.len()),
            &format!("must have {least} to {most} items"),
        );
        list
    }

    fn prose(&mut self, at: &str, value: &Value) {
        let text = value.as_str().unwrap_or_default();
        self.check(at, !text.is_empty(), "is no text");
        self.check(
            at,
            !text.contains(|character: char| character.is_ascii_digit()),
            "has a digit in its prose",
        );
    }

    /// No text, however deep, stands for nothing or has stray white space.
    fn texts(&mut self, at: &str, value: &Value) {
        match value {
            Value::String(text) => {
                let is_filler =
                    FILLERS.contains(&text.to_lowercase().as_str()) || text.contains("N/A");
                self.check(
                    at,
                    !is_filler && !text.is_empty(),
                    &format!("{text:?} says nothing"),
                );
                self.check(
                    at,
                    text.trim() == text && !text.contains("  "),
                    "has stray white space",
                );
                self.check(at, text.is_ascii(), &format!("{text:?} is not ASCII"));
            }
            Value::Null => self.check(at, false, "is null; leave it out"),
            Value::Array(list) => list.iter().for_each(|item| self.texts(at, item)),
            Value::Object(object) => object
                .iter()
                .for_each(|(key, item)| self.texts(&format!("{at}.{key}"), item)),
            Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn none(self) {
        assert!(
            self.0.is_empty(),
            "{} faults:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

#[test]
fn it_has_109_materials_in_8_categories() {
    let dataset = open();
    let materials = materials(&dataset);
    let ids: Vec<&str> = dataset
        .categories()
        .iter()
        .map(|category| category.id.as_str())
        .collect();
    assert_eq!(ids, COUNTS.map(|(id, _)| id));
    for (id, count) in COUNTS {
        assert_eq!(
            materials
                .iter()
                .filter(|record| record.category == id)
                .count(),
            count,
            "{id}"
        );
    }
    assert_eq!(materials.len(), 109);
    let by_id: BTreeMap<&str, &Record> = materials
        .iter()
        .map(|record| (record.id.as_str(), record))
        .collect();
    assert_eq!(by_id.len(), materials.len(), "an id is there twice");
    assert!(by_id.keys().all(|id| is_safe_id(id)));
    let names: BTreeMap<&str, &str> = materials
        .iter()
        .map(|record| (record.name.as_str(), record.id.as_str()))
        .collect();
    assert_eq!(names.len(), materials.len(), "a name is there twice");
}

#[test]
fn every_material_keeps_the_schema() {
    let mut faults = Faults::default();
    for record in materials(&open()) {
        material(&mut faults, &record);
    }
    faults.none();
}

fn material(faults: &mut Faults, record: &Record) {
    let at = |part: &str| format!("{}.{part}", record.id);
    let fields = &Value::from(record.fields.clone());
    faults.texts(&record.id, fields);
    faults.keys(
        &record.id,
        fields,
        &[
            "subcategory",
            "?formula",
            "industries",
            "applications",
            "contaminants",
            "cleaning_notes",
            "properties",
            "?grades",
            "?standards",
            "?performance",
            "?environment",
            "laser",
        ],
    );
    let industries = faults.count(&at("industries"), &fields["industries"], (2, 5));
    for application in faults.count(&at("applications"), &fields["applications"], (2, 4)) {
        faults.keys(&at("applications"), &application, &["industry", "use"]);
        faults.check(
            &at("applications"),
            industries.contains(&application["industry"]),
            "industry is not in industries",
        );
        faults.prose(&at("applications.use"), &application["use"]);
    }
    faults.count(&at("contaminants"), &fields["contaminants"], (2, 5));
    for note in faults.count(&at("cleaning_notes"), &fields["cleaning_notes"], (2, 4)) {
        faults.prose(&at("cleaning_notes"), &note);
        let is_sentence = note
            .as_str()
            .is_some_and(|note| note.ends_with('.') && note.starts_with(char::is_uppercase));
        faults.check(&at("cleaning_notes"), is_sentence, "is no whole sentence");
    }
    properties(faults, &at("properties"), &fields["properties"]);
    if let Some(grades) = fields.get("grades") {
        for grade in faults.count(&at("grades"), grades, (1, 4)) {
            faults.keys(&at("grades"), &grade, &["name", "?purity_pct", "use"]);
            if let Some(purity) = grade.get("purity_pct") {
                faults.number(&at("grades.purity_pct"), purity, (50.0, 100.0));
            }
        }
    }
    if let Some(standards) = fields.get("standards") {
        for standard in faults.count(&at("standards"), standards, (1, 4)) {
            faults.keys(&at("standards"), &standard, &["code", "title"]);
        }
    }
    if let Some(performance) = fields.get("performance") {
        performance_facts(faults, &at("performance"), performance);
    }
    if let Some(environment) = fields.get("environment") {
        environment_facts(faults, &at("environment"), environment);
    }
    laser(faults, &at("laser"), &fields["laser"]);
}

fn properties(faults: &mut Faults, at: &str, value: &Value) {
    let object = value.as_object().cloned().unwrap_or_default();
    faults.check(
        at,
        (5..=14).contains(&object.len()),
        "must have 5 to 14 properties",
    );
    for (key, value) in &object {
        match PROPERTIES.iter().find(|(name, ..)| name == key) {
            Some((_, least, greatest)) => {
                faults.number(&format!("{at}.{key}"), value, (*least, *greatest))
            }
            None => faults.check(at, false, &format!("unknown property {key}")),
        }
    }
    let known = |key: &str| object.get(key).and_then(Value::as_f64);
    if let (Some(melting), Some(boiling)) = (known("melting_point_c"), known("boiling_point_c")) {
        faults.check(at, melting < boiling, "melts above its boiling point");
    }
    if let (Some(reflected), Some(absorbed)) = (
        known("reflectivity_1064nm_pct"),
        known("absorptivity_1064nm_pct"),
    ) {
        faults.check(
            at,
            reflected + absorbed <= 100.5,
            "reflects and absorbs more than all of the light",
        );
    }
    if let Some(diffusivity) = known("thermal_diffusivity_mm2_s") {
        let computed = known("thermal_conductivity_w_m_k").unwrap_or(f64::NAN) * 1000.0
            / (known("density_g_cm3").unwrap_or(f64::NAN)
                * known("specific_heat_j_kg_k").unwrap_or(f64::NAN));
        let agrees = (diffusivity / computed - 1.0).abs() <= 0.1;
        faults.check(
            at,
            agrees,
            &format!(
                "diffusivity {diffusivity} is not conductivity / (density * heat) = {computed}"
            ),
        );
    }
}

fn performance_facts(faults: &mut Faults, at: &str, value: &Value) {
    let allowed = ["max_service_temperature_c"]
        .iter()
        .chain(&RESISTANCES)
        .copied();
    let object = value.as_object().cloned().unwrap_or_default();
    let allowed: Vec<&str> = allowed.collect();
    faults.check(
        at,
        !object.is_empty() && object.keys().all(|key| allowed.contains(&key.as_str())),
        "unknown key",
    );
    for (key, value) in &object {
        if key == "max_service_temperature_c" {
            faults.number(&format!("{at}.{key}"), value, (20.0, 3000.0));
        } else {
            let is_word = value.as_str().is_some_and(|word| WORDS.contains(&word));
            faults.check(
                &format!("{at}.{key}"),
                is_word,
                &format!("{value} is none of {WORDS:?}"),
            );
        }
    }
}

fn environment_facts(faults: &mut Faults, at: &str, value: &Value) {
    let object = value.as_object().cloned().unwrap_or_default();
    for (key, value) in &object {
        match key.as_str() {
            "recyclable" | "renewable" => faults.check(
                at,
                value.is_boolean(),
                &format!("{key} is not true or false"),
            ),
            "end_of_life" => faults.prose(&format!("{at}.{key}"), value),
            "embodied_energy_mj_kg" => {
                faults.number(&format!("{at}.{key}"), value, (0.05, 1_000_000.0))
            }
            _ => faults.check(at, false, &format!("unknown key {key}")),
        }
    }
}

fn laser(faults: &mut Faults, at: &str, value: &Value) {
    let names = SETTINGS.map(|(name, ..)| name);
    faults.keys(at, value, &[&["wavelength_nm"], names.as_slice()].concat());
    faults.number(
        &format!("{at}.wavelength_nm"),
        &value["wavelength_nm"],
        (193.0, 10_600.0),
    );
    for (name, least, greatest) in SETTINGS {
        let (at, window) = (format!("{at}.{name}"), &value[name]);
        faults.keys(&at, window, &["min", "max", "typical"]);
        let [min, max, typical] =
            ["min", "max", "typical"].map(|key| window[key].as_f64().unwrap_or(f64::NAN));
        faults.check(
            &at,
            min <= typical && typical <= max,
            "is not min <= typical <= max",
        );
        faults.check(
            &at,
            least <= min && max <= greatest,
            &format!("is not within {least}..={greatest}"),
        );
    }
    let typical = |name: &str| value[name]["typical"].as_f64().unwrap_or(f64::NAN);
    let spot_cm2 = PI * (typical("spot_diameter_um") / 2.0 / 10_000.0).powi(2);
    let power = typical("fluence_j_cm2") * spot_cm2 * typical("repetition_rate_khz") * 1000.0;
    let ratio = power / typical("average_power_w");
    faults.check(
        at,
        (1.0 / 3.0..=3.0).contains(&ratio),
        &format!("fluence, spot and rate give {power} W"),
    );
}

#[test]
fn every_category_keeps_the_schema() {
    let mut faults = Faults::default();
    for category in open().categories() {
        let at = |part: &str| format!("{}.{part}", category.id);
        let fields = &Value::from(category.fields.clone());
        faults.texts(&category.id, fields);
        faults.keys(
            &category.id,
            fields,
            &[
                "name",
                "description",
                "published_on",
                "updated_on",
                "desk",
                "regulatory_standards",
                "environmental_benefits",
                "compatibility",
                "ranges",
            ],
        );
        for key in ["published_on", "updated_on"] {
            let is_date = fields[key].as_str().is_some_and(|date| {
                date.len() == 10
                    && date
                        .split('-')
                        .map(|part| part.parse::<u16>())
                        .filter(Result::is_ok)
                        .count()
                        == 3
            });
            faults.check(&at(key), is_date, "is no date");
        }
        faults.check(
            &at("updated_on"),
            fields["updated_on"].as_str() >= fields["published_on"].as_str(),
            "is too early",
        );
        faults.keys(
            &at("desk"),
            &fields["desk"],
            &["name", "title", "profile", "expertise"],
        );
        let is_desk = fields["desk"]["name"]
            .as_str()
            .is_some_and(|name| name.ends_with(" desk"));
        faults.check(&at("desk.name"), is_desk, "is no desk");
        faults.count(&at("desk.expertise"), &fields["desk"]["expertise"], (3, 3));
        for standard in faults.count(
            &at("regulatory_standards"),
            &fields["regulatory_standards"],
            (3, 4),
        ) {
            faults.keys(&at("regulatory_standards"), &standard, &["code", "title"]);
        }
        for benefit in faults.count(
            &at("environmental_benefits"),
            &fields["environmental_benefits"],
            (3, 4),
        ) {
            faults.keys(
                &at("environmental_benefits"),
                &benefit,
                &["benefit", "detail"],
            );
            faults.prose(&at("environmental_benefits"), &benefit["benefit"]);
            faults.prose(&at("environmental_benefits"), &benefit["detail"]);
        }
        faults.keys(
            &at("compatibility"),
            &fields["compatibility"],
            &["suited", "caution"],
        );
        faults.count(
            &at("compatibility.suited"),
            &fields["compatibility"]["suited"],
            (3, 5),
        );
        faults.count(
            &at("compatibility.caution"),
            &fields["compatibility"]["caution"],
            (2, 4),
        );
    }
    faults.none();
}

#[test]
fn category_ranges_are_those_of_the_materials() {
    let dataset = open();
    let mut values: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for record in materials(&dataset) {
        for (key, value) in record.fields["properties"].as_object().unwrap() {
            values
                .entry((record.category.clone(), key.clone()))
                .or_default()
                .push(value.as_f64().unwrap());
        }
    }
    // One value makes no range.
    values.retain(|_, values| values.len() >= 2);
    let mut faults = Faults::default();
    let mut stated = 0;
    for category in dataset.categories() {
        for (key, range) in category.fields["ranges"].as_object().unwrap() {
            let at = format!("{}.ranges.{key}", category.id);
            faults.keys(&at, range, &["min", "max"]);
            let values = values
                .get(&(category.id.clone(), key.clone()))
                .map_or(&[][..], Vec::as_slice);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let holds =
                range["min"].as_f64() == Some(least) && range["max"].as_f64() == Some(greatest);
            faults.check(
                &at,
                holds,
                &format!("is {range}, and the materials give {least}..{greatest}"),
            );
            stated += 1;
        }
    }
    faults.none();
    assert_eq!(stated, values.len(), "a range is not stated");
}

#[test]
fn the_readme_documents_every_key() {
    let readme = std::fs::read_to_string(data("README.md")).unwrap();
    let dataset = open();
    let mut faults = Faults::default();
    let mut seen = Vec::new();
    for record in materials(&dataset) {
        keys_within(&record.fields, &mut seen);
    }
    for category in dataset.categories() {
        keys_within(&category.fields, &mut seen);
    }
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 60, "{seen:?}");
    for key in seen {
        faults.check(
            &key,
            readme.contains(&format!("`{key}`")),
            "is not in data/README.md",
        );
    }
    faults.none();
}

fn keys_within(object: &Map<String, Value>, seen: &mut Vec<String>) {
    for (key, value) in object {
        seen.push(key.clone());
        match value {
            Value::Object(inner) => keys_within(inner, seen),
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_object)
                .for_each(|inner| keys_within(inner, seen)),
            _ => {}
        }
    }
}
