//! The macro that makes a component the plugin's exported function, and what this function does.

use crate::bindings;
use crate::{Component, Failure, Input};

/// Exports a type that implements [`Component`] as the plugin's component. Natively it does nothing,
/// so that tests may link several plugins.
#[macro_export]
macro_rules! export {
    ($component:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[expect(unsafe_code, reason = "the contract's exports are C functions")]
        mod exported {
            use super::*;

            struct Exported;

            impl $crate::bindings::Guest for Exported {
                fn generate(
                    input: $crate::bindings::Input,
                ) -> Result<$crate::bindings::Artifact, $crate::Failure> {
                    $crate::run::<$component>(input)
                }
            }

            $crate::bindings::export!(Exported with_types_in $crate::bindings);
        }
    };
}

/// Logs a panic with its place, then runs the component.
///
/// # Errors
/// The component's own failure, or a component fault if it makes an empty text.
pub fn run<C: Component>(input: bindings::Input) -> Result<bindings::Artifact, Failure> {
    std::panic::set_hook(Box::new(|info| crate::log::error(&panic_line(info))));
    let mut text = C::generate(&Input::new(input))?;
    // A field of a record may hold one, and a file with one is not published.
    if text.contains(is_control) {
        text.retain(|letter| !is_control(letter));
    }
    if text.trim().is_empty() {
        return Err(Failure::component_fault("the component made an empty text"));
    }
    Ok(bindings::Artifact { text })
}

fn is_control(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\t' | '\r')
}

/// Place and message of a panic in one line, as the host shows failures.
fn panic_line(info: &std::panic::PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}
