//! The trait that a plugin implements and the macro that exports it.

use crate::{Failure, Input};

/// A way to make content: a deterministic, synchronous function from a record to a file's text.
pub trait Component {
    /// Makes the artifact's text of one record.
    ///
    /// # Errors
    /// A [`Failure`] says why there is no artifact; the host shows it and goes on with other records.
    fn generate(input: &Input) -> Result<String, Failure>;
}

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
