//! What one source file names: paths to items of its crate, and names that it gives to them with `use`.

use std::iter::Peekable;
use std::vec::IntoIter;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as a list of names. A module's path begins below the root of its crate.
pub type Names = Vec<String>;

/// What a file names.
#[derive(Default)]
pub struct Source {
    /// Paths as they are written, each with the module that it stands in.
    pub paths: Vec<(Names, Names)>,
    /// Names that a module gets by `use`: module, name and path.
    pub aliases: Vec<(Names, String, Names)>,
    /// Modules that are written out in the file.
    pub inline: Vec<Names>,
    /// Modules that only tests have.
    pub tests: Vec<Names>,
}

type Tokens = Peekable<IntoIter<TokenTree>>;

impl Source {
    /// Reads the file of a module; `None` if it is no Rust.
    pub fn read(text: &str, module: &[String]) -> Option<Self> {
        let mut source = Self::default();
        source.scan(text.parse().ok()?, module);
        Some(source)
    }

    fn scan(&mut self, stream: TokenStream, module: &[String]) {
        let mut tokens = stream
            .into_iter()
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let Some(TokenTree::Group(attribute)) = tokens.peek() else {
                        continue;
                    };
                    if attribute.stream().to_string().replace(' ', "") == "cfg(test)" {
                        tokens.next();
                        self.tests.extend(skip_item(&mut tokens, module));
                    }
                }
                TokenTree::Ident(ident) if ident == "use" => self.scan_use(&mut tokens, module),
                TokenTree::Ident(ident) if ident == "mod" => self.scan_module(&mut tokens, module),
                TokenTree::Ident(ident) => {
                    let path = path(ident.to_string(), &mut tokens);
                    if path.len() > 1 {
                        self.paths.push((module.to_vec(), path));
                    }
                }
                // What follows belongs to another crate, or to a type.
                TokenTree::Punct(punct) if punct.as_char() == ':' && is_colon(&mut tokens) => {
                    tokens.next();
                    if let Some(TokenTree::Ident(ident)) = tokens.peek().cloned() {
                        tokens.next();
                        path(ident.to_string(), &mut tokens);
                    }
                }
                TokenTree::Group(group) => self.scan(group.stream(), module),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Reads `name { … }` or `name;` behind `mod`.
    fn scan_module(&mut self, tokens: &mut Tokens, module: &[String]) {
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return;
        };
        if let Some(TokenTree::Group(group)) = tokens.peek() {
            let inner = below(module, &name.to_string());
            self.scan(group.stream(), &inner);
            self.inline.push(inner);
            tokens.next();
        }
    }

    /// Reads a tree of paths behind `use`.
    fn scan_use(&mut self, tokens: &mut Tokens, module: &[String]) {
        // `::name` is another crate; `use<'a>` is no import.
        if matches!(tokens.peek(), Some(TokenTree::Punct(_))) {
            return;
        }
        let end =
            |token: &TokenTree| matches!(token, TokenTree::Punct(end) if end.as_char() == ';');
        let tree: Vec<TokenTree> =
            std::iter::from_fn(|| tokens.next_if(|token| !end(token))).collect();
        self.scan_tree(&[], &mut tree.into_iter().peekable(), module);
    }

    fn scan_tree(&mut self, before: &[String], tokens: &mut Tokens, module: &[String]) {
        while tokens.peek().is_some() {
            let mut names = before.to_vec();
            let mut alias = None;
            for token in tokens.by_ref() {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => alias = Some(String::new()),
                    TokenTree::Ident(ident) => match &mut alias {
                        Some(alias) => *alias = ident.to_string(),
                        None => names.push(ident.to_string()),
                    },
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                        let inner = group.stream().into_iter().collect::<Vec<_>>();
                        self.scan_tree(&names, &mut inner.into_iter().peekable(), module);
                        names.clear();
                    }
                    TokenTree::Punct(punct) if punct.as_char() == ',' => break,
                    _ => {}
                }
            }
            if names.last().is_some_and(|name| name == "self") && names.len() > 1 {
                names.pop();
            }
            let Some(last) = names.last().cloned() else {
                continue;
            };
            self.paths.push((module.to_vec(), names.clone()));
            self.aliases
                .push((module.to_vec(), alias.unwrap_or(last), names));
        }
    }
}

/// The path that begins with a name: further names, each behind two colons.
fn path(first: String, tokens: &mut Tokens) -> Names {
    let mut names = vec![first];
    while matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':') {
        tokens.next();
        if !is_colon(tokens) {
            break;
        }
        tokens.next();
        match tokens.next_if(|token| matches!(token, TokenTree::Ident(_))) {
            Some(name) => names.push(name.to_string()),
            None => break,
        }
    }
    names
}

fn is_colon(tokens: &mut Tokens) -> bool {
    matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}

/// Passes over the item behind an attribute. The module that it is, if it is one.
fn skip_item(tokens: &mut Tokens, module: &[String]) -> Option<Names> {
    let mut found = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Ident(ident) if ident == "mod" => {
                let name = tokens.peek().map(ToString::to_string);
                found = name.map(|name| below(module, &name));
            }
            _ => {}
        }
    }
    found
}

/// The path of a module within another one.
fn below(module: &[String], name: &str) -> Names {
    let mut names = module.to_vec();
    names.push(name.to_owned());
    names
}
