//! Instruction files: text with `{{ name }}` placeholders.

use crate::Failure;

/// One instruction file of the component, after the configuration's overrides.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    /// File name without its ending.
    pub name: &'a str,
    /// The text, placeholders and all.
    pub text: &'a str,
}

impl Prompt<'_> {
    /// The text with every `{{ name }}` replaced by its value.
    ///
    /// # Errors
    /// A component fault that names the placeholder, if there is no value for it or it is not closed.
    pub fn fill(&self, values: &[(&str, &str)]) -> Result<String, Failure> {
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text.trim();
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((placeholder, after)) = behind.split_once("}}") else {
                return Err(self.fault("a {{ is not closed by }}".to_owned()));
            };
            let placeholder = placeholder.trim();
            let Some((_, value)) = values.iter().find(|(name, _)| *name == placeholder) else {
                let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                let known = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                return Err(self.fault(format!(
                    "there is no value for {{{{ {placeholder} }}}}; placeholders that have one: {known}"
                )));
            };
            out.push_str(before);
            out.push_str(value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn fault(&self, why: String) -> Failure {
        Failure::component_fault(format!("prompts/{}.md: {why}", self.name))
    }
}

#[cfg(test)]
mod tests;
