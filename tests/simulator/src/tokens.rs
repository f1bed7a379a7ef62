//! How many tokens a text has.

/// Characters in a token, roughly.
pub const TOKEN_CHARS: usize = 4;

/// Tokens of a text, roughly.
pub fn tokens(text: &str) -> u64 {
    text.len().div_ceil(TOKEN_CHARS) as u64
}
