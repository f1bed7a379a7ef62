//! The tags that a record allows.

use materials::material::Material;
use sdk::markdown::slug;

/// Fewest candidates to leave a choice of three.
const FEWEST: usize = 3;

/// What stands in where a record says next to nothing.
const LAST_RESORT: [&str; 3] = ["surface-preparation", "maintenance", "pulsed-laser"];

/// Properties that earn a tag: at least the first bound, at most the second.
const TRAITS: [(&str, f64, f64, &str); 15] = [
    ("density_g_cm3", 0.0, 3.0, "lightweight"),
    ("density_g_cm3", 8.0, f64::INFINITY, "dense"),
    (
        "thermal_conductivity_w_m_k",
        100.0,
        f64::INFINITY,
        "heat-conducting",
    ),
    ("thermal_conductivity_w_m_k", 0.0, 1.0, "heat-insulating"),
    ("melting_point_c", 2000.0, f64::INFINITY, "refractory"),
    ("hardness_vickers_hv", 1000.0, f64::INFINITY, "hard"),
    ("hardness_mohs", 7.0, f64::INFINITY, "hard"),
    ("hardness_mohs", 0.0, 3.5, "soft"),
    ("reflectivity_1064nm_pct", 60.0, f64::INFINITY, "reflective"),
    ("porosity_pct", 5.0, f64::INFINITY, "porous"),
    ("water_absorption_pct", 5.0, f64::INFINITY, "absorbent"),
    ("fracture_toughness_mpa_sqrt_m", 0.0, 3.0, "brittle"),
    (
        "electrical_resistivity_ohm_m",
        0.0,
        1e-6,
        "electrically-conducting",
    ),
    (
        "electrical_resistivity_ohm_m",
        1e6,
        f64::INFINITY,
        "electrically-insulating",
    ),
    ("band_gap_ev", 0.1, 4.0, "semiconducting"),
];

/// At least three tags, none of them fixed: from industries and properties and, if those are too
/// few, from kind, category and contaminants.
pub(crate) fn candidates(subject: &str, category: &str, material: &Material) -> Vec<String> {
    let mut found = Vec::new();
    let add = |tag: String, found: &mut Vec<String>| {
        let taken = tag == subject || crate::FIXED.contains(&tag.as_str()) || found.contains(&tag);
        if !tag.is_empty() && !taken {
            found.push(tag);
        }
    };
    for industry in &material.industries {
        add(slug(industry), &mut found);
    }
    for (property, least, most, tag) in TRAITS {
        let value = material
            .properties
            .get(property)
            .and_then(sdk::Value::as_f64);
        if value.is_some_and(|value| least <= value && value <= most) {
            add(tag.to_owned(), &mut found);
        }
    }
    let kind = material
        .subcategory
        .as_deref()
        .into_iter()
        .chain([category]);
    let contaminants = material.contaminants.iter().map(String::as_str);
    for other in kind.chain(contaminants).chain(LAST_RESORT) {
        if found.len() >= FEWEST {
            break;
        }
        add(slug(other), &mut found);
    }
    found
}
