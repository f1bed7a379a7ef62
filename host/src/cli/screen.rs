//! The terminal as it is now.

/// The terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub width: usize,
    pub height: usize,
    /// Whether colours are wanted.
    pub colour: bool,
}
