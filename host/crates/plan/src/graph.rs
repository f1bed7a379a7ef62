//! Which component waits for which. Components are named by their place in priority order; the graph
//! is checked once, so that a run can neither deadlock nor wait for something that is not there.

use std::collections::{BTreeMap, BTreeSet};

/// A component as the graph sees it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the component.
    pub name: String,
    /// Smaller runs earlier where nothing else decides.
    pub priority: i64,
    /// Names of the components whose files it needs.
    pub depends_on: Vec<String>,
    /// Names of all components that must run where it does, whatever their order.
    pub needs: Vec<String>,
}

/// The components cannot be ordered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    /// A dependency is not there.
    #[error(
        "component `{component}` depends on `{missing}`, which no plugin or configuration provides\n\
         hint: put the plugin of `{missing}` into the plugin directory, or remove it from `depends-on`"
    )]
    Missing { component: String, missing: String },
    /// Components wait for each other.
    #[error(
        "components depend on each other in a circle: {}\nhint: remove one `depends-on` of these",
        circle.join(" -> ")
    )]
    Circle {
        /// The circle, its first member repeated at the end.
        circle: Vec<String>,
    },
}

/// Adds to `wanted` everything that it needs, whatever depth.
///
/// # Errors
/// [`GraphError::Missing`] names the first dependency that is not among `nodes`.
pub fn with_dependencies(
    nodes: &[Node],
    wanted: impl IntoIterator<Item = String>,
) -> Result<BTreeSet<String>, GraphError> {
    let by_name: BTreeMap<&str, &Node> = nodes
        .iter()
        .map(|node| (node.name.as_str(), node))
        .collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = wanted.into_iter().collect();
    while let Some(name) = open.pop() {
        let Some(node) = by_name.get(name.as_str()) else {
            continue;
        };
        for dependency in &node.needs {
            if !by_name.contains_key(dependency.as_str()) {
                return Err(GraphError::Missing {
                    component: name.clone(),
                    missing: dependency.clone(),
                });
            }
            if !found.contains(dependency) {
                open.push(dependency.clone());
            }
        }
        found.insert(name);
    }
    Ok(found)
}

/// These components and all that depend on them, at whatever depth.
pub fn with_dependents(
    nodes: &[Node],
    wanted: impl IntoIterator<Item = String>,
) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = wanted.into_iter().collect();
    loop {
        let reached = |node: &&Node| node.depends_on.iter().any(|name| found.contains(name));
        let new: Vec<String> = nodes
            .iter()
            .filter(|node| !found.contains(&node.name))
            .filter(reached)
            .map(|node| node.name.clone())
            .collect();
        if new.is_empty() {
            return found;
        }
        found.extend(new);
    }
}

/// Components that cannot run because something that they need, at whatever depth, is not there: what is missing.
pub fn unsatisfied(nodes: &[Node]) -> BTreeMap<String, GraphError> {
    let missing = |node: &Node| with_dependencies(nodes, [node.name.clone()]).err();
    nodes
        .iter()
        .filter_map(|node| Some((node.name.clone(), missing(node)?)))
        .collect()
}

/// The names in an order in which every component stands behind what it depends on, and otherwise
/// by priority, then name.
///
/// # Errors
/// Missing dependencies and circles.
pub fn order(nodes: &[Node]) -> Result<Vec<String>, GraphError> {
    with_dependencies(nodes, nodes.iter().map(|node| node.name.clone()))?;
    let mut waiting: Vec<&Node> = nodes.iter().collect();
    waiting.sort_by_key(|node| (node.priority, &node.name));
    let mut placed: Vec<String> = Vec::with_capacity(nodes.len());
    while !waiting.is_empty() {
        let ready = |node: &&Node| node.depends_on.iter().all(|name| placed.contains(name));
        let Some(place) = waiting.iter().position(ready) else {
            return Err(GraphError::Circle {
                circle: circle(&waiting),
            });
        };
        placed.push(waiting.remove(place).name.clone());
    }
    Ok(placed)
}

/// Follows unplaced dependencies until a name comes again.
fn circle(waiting: &[&Node]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let mut current = waiting.first().copied();
    while let Some(node) = current {
        if let Some(start) = path.iter().position(|name| *name == node.name) {
            let mut circle = path.split_off(start);
            circle.push(node.name.clone());
            return circle;
        }
        path.push(node.name.clone());
        current = waiting
            .iter()
            .copied()
            .find(|other| node.depends_on.contains(&other.name));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependents_are_found_at_whatever_depth() {
        let nodes = [
            node("a", 0, &[]),
            node("b", 0, &["a"]),
            node("c", 0, &["b"]),
            node("d", 0, &[]),
        ];
        let found = |name: &str| -> Vec<String> {
            with_dependents(&nodes, [name.to_owned()])
                .into_iter()
                .collect()
        };
        assert_eq!(found("a"), ["a", "b", "c"]);
        assert_eq!(found("c"), ["c"]);
        assert_eq!(found("d"), ["d"]);
    }

    fn node(name: &str, priority: i64, depends_on: &[&str]) -> Node {
        Node {
            name: name.to_owned(),
            priority,
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
            needs: depends_on.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn dependencies_come_first_then_priority() {
        let nodes = [
            node("text", 6, &["frontmatter"]),
            node("tags", 1, &["text"]),
            node("table", 7, &[]),
            node("frontmatter", 9, &[]),
        ];
        assert_eq!(
            order(&nodes).unwrap(),
            ["table", "frontmatter", "text", "tags"]
        );
        let wanted = with_dependencies(&nodes, ["tags".to_owned()]).unwrap();
        assert_eq!(
            wanted.into_iter().collect::<Vec<_>>(),
            ["frontmatter", "tags", "text"]
        );
    }

    #[test]
    fn what_is_needed_comes_along_and_may_stand_behind() {
        let text = Node {
            needs: vec!["quality".to_owned()],
            ..node("text", 1, &[])
        };
        let nodes = [text, node("quality", 1, &["text"]), node("other", 1, &[])];
        let wanted = with_dependencies(&nodes, ["text".to_owned()]).unwrap();
        assert_eq!(wanted.into_iter().collect::<Vec<_>>(), ["quality", "text"]);
        assert_eq!(order(&nodes).unwrap(), ["other", "text", "quality"]);
    }

    #[test]
    fn circles_and_gaps_are_named() {
        let nodes = [
            node("a", 1, &["b"]),
            node("b", 1, &["c"]),
            node("c", 1, &["b"]),
        ];
        let error = order(&nodes).unwrap_err();
        assert_eq!(
            error.to_string().lines().next().unwrap_or_default(),
            "components depend on each other in a circle: b -> c -> b"
        );
        let error = order(&[node("a", 1, &["ghost"])]).unwrap_err();
        assert!(error.to_string().contains("`a` depends on `ghost`"));
    }

    #[test]
    fn what_needs_something_that_is_missing_is_unsatisfied_and_the_rest_is_not() {
        let node = |name: &str, depends_on: &[&str]| Node {
            name: name.to_owned(),
            priority: 1,
            depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
            needs: depends_on.iter().map(|name| (*name).to_owned()).collect(),
        };
        let nodes = [node("a", &["ghost"]), node("b", &["a"]), node("c", &[])];
        let found = unsatisfied(&nodes);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(found["b"].to_string().contains("`a` depends on `ghost`"));
    }
}
