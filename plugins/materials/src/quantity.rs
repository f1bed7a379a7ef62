//! Names and units of the dataset's keys.
//!
//! A key ends with its unit: `thermal_conductivity_w_m_k` is "thermal conductivity" in W/(m·K). A key without a known
//! ending has no unit.

/// Endings of keys and the units that they stand for; an ending comes before one that it ends with.
const UNITS: [(&str, &str); 28] = [
    ("_mpa_sqrt_m", "MPa·√m"),
    ("_um_m_k", "µm/(m·K)"),
    ("_w_m_k", "W/(m·K)"),
    ("_j_kg_k", "J/(kg·K)"),
    ("_mm2_s", "mm²/s"),
    ("_ohm_m", "Ω·m"),
    ("_kg_m3", "kg/m³"),
    ("_g_cm3", "g/cm³"),
    ("_j_cm2", "J/cm²"),
    ("_mj_kg", "MJ/kg"),
    ("_mm_s", "mm/s"),
    ("_khz", "kHz"),
    ("_gpa", "GPa"),
    ("_mpa", "MPa"),
    ("_pct", "%"),
    ("_ev", "eV"),
    ("_nm", "nm"),
    ("_ns", "ns"),
    ("_ps", "ps"),
    ("_um", "µm"),
    ("_mm", "mm"),
    ("_kg", "kg"),
    ("_hv", "HV"),
    ("_hb", "HB"),
    ("_c", "°C"),
    ("_k", "K"),
    ("_n", "N"),
    ("_w", "W"),
];

/// Names that are not their key with spaces.
const NAMES: [(&str, &str); 8] = [
    ("max_service_temperature", "maximum service temperature"),
    ("youngs_modulus", "Young's modulus"),
    ("hardness_vickers", "Vickers hardness"),
    ("hardness_brinell", "Brinell hardness"),
    ("hardness_mohs", "Mohs hardness"),
    ("hardness_janka", "Janka hardness"),
    ("reflectivity_1064nm", "reflectivity at 1064 nm"),
    ("absorptivity_1064nm", "absorptivity at 1064 nm"),
];

/// What a key of the dataset measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The key without its unit: `thermal_conductivity`.
    pub key: String,
    /// For people, in lower case but for proper names: `thermal conductivity`.
    pub label: String,
    /// As people write it: `W/(m·K)`; empty if there is none.
    pub unit: &'static str,
}

/// Splits a key of the dataset into what it measures and its unit.
pub fn quantity(key: &str) -> Quantity {
    let found = UNITS.iter().find_map(|(ending, unit)| {
        let base = key.strip_suffix(ending).filter(|base| !base.is_empty())?;
        Some((base, *unit))
    });
    let (base, unit) = found.unwrap_or((key, ""));
    let name = NAMES.iter().find(|(key, _)| *key == base);
    let label = name.map_or_else(|| base.replace('_', " "), |(_, name)| (*name).to_owned());
    Quantity {
        key: base.to_owned(),
        label,
        unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_dataset_has_its_name_and_unit() {
        for (key, label, unit) in [
            ("density_g_cm3", "density", "g/cm³"),
            ("melting_point_c", "melting point", "°C"),
            (
                "thermal_conductivity_w_m_k",
                "thermal conductivity",
                "W/(m·K)",
            ),
            ("specific_heat_j_kg_k", "specific heat", "J/(kg·K)"),
            ("thermal_expansion_um_m_k", "thermal expansion", "µm/(m·K)"),
            ("thermal_diffusivity_mm2_s", "thermal diffusivity", "mm²/s"),
            ("youngs_modulus_gpa", "Young's modulus", "GPa"),
            ("tensile_strength_mpa", "tensile strength", "MPa"),
            (
                "fracture_toughness_mpa_sqrt_m",
                "fracture toughness",
                "MPa·√m",
            ),
            ("hardness_vickers_hv", "Vickers hardness", "HV"),
            ("hardness_mohs", "Mohs hardness", ""),
            ("hardness_brinell_hb", "Brinell hardness", "HB"),
            ("hardness_janka_n", "Janka hardness", "N"),
            (
                "electrical_resistivity_ohm_m",
                "electrical resistivity",
                "Ω·m",
            ),
            ("porosity_pct", "porosity", "%"),
            ("refractive_index", "refractive index", ""),
            ("band_gap_ev", "band gap", "eV"),
            ("reflectivity_1064nm_pct", "reflectivity at 1064 nm", "%"),
            ("embodied_energy_mj_kg", "embodied energy", "MJ/kg"),
            (
                "max_service_temperature_c",
                "maximum service temperature",
                "°C",
            ),
            ("wavelength_nm", "wavelength", "nm"),
            ("pulse_duration_ns", "pulse duration", "ns"),
            ("fluence_j_cm2", "fluence", "J/cm²"),
            ("average_power_w", "average power", "W"),
            ("repetition_rate_khz", "repetition rate", "kHz"),
            ("scan_speed_mm_s", "scan speed", "mm/s"),
            ("spot_diameter_um", "spot diameter", "µm"),
            ("passes", "passes", ""),
            ("end_of_life", "end of life", ""),
        ] {
            let found = quantity(key);
            assert_eq!((found.label.as_str(), found.unit), (label, unit), "{key}");
        }
    }
}
