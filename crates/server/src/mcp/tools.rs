//! The tools: what clients are told about them, and which function each is.
//!
//! Names, descriptions, annotations and schemas are data (`tools.json`); the tests count what the
//! list costs an agent's context.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::call::{self, Call};
use super::revision::Revision;

/// What a tool answers: structured content, and the same facts as text.
pub(crate) struct Output {
    pub(crate) structured: Value,
    pub(crate) text: String,
}

/// What a tool is: a function of its checked arguments.
pub(crate) type Run = fn(&Call<'_>) -> Result<Output, call::Failure>;

/// One tool.
pub(crate) struct Tool {
    /// As clients call it.
    pub(crate) name: String,
    /// The schema that arguments are checked against.
    pub(crate) input: Value,
    /// May change what is stored: upkeep is due afterwards.
    pub(crate) writes: bool,
    pub(crate) run: Run,
    listed: Map<String, Value>,
}

const RUNS: [(&str, Run); 7] = [
    ("memrl_retrieve", call::retrieve::run),
    ("memrl_capture", call::capture::run),
    ("memrl_feedback", call::feedback::run),
    ("memrl_status", call::numbers::status),
    ("memrl_stats", call::numbers::stats),
    ("memrl_propagate", call::numbers::propagate),
    ("memrl_review", call::numbers::review),
];

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    // A file that is no JSON, or lacks a tool, is a fault of ours that the first test finds.
    let listed: Vec<Map<String, Value>> =
        serde_json::from_str(include_str!("tools.json")).unwrap_or_default();
    listed
        .into_iter()
        .filter_map(|listed| {
            let name = listed.get("name")?.as_str()?.to_owned();
            let (_, run) = RUNS.iter().find(|(n, _)| *n == name)?;
            Some(Tool {
                input: listed.get("inputSchema")?.clone(),
                writes: listed.get("annotations")?.get("readOnlyHint")? == false,
                run: *run,
                name,
                listed,
            })
        })
        .collect()
});

/// The tool of this name.
pub(crate) fn named(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|t| t.name == name)
}

/// The list for clients, always in the same order, without what a revision does not know.
pub(crate) fn list(revision: Revision) -> Value {
    let tools: Vec<Value> = TOOLS
        .iter()
        .map(|tool| {
            let mut listed = tool.listed.clone();
            if !revision.has_structure() {
                // Before titles had a place of their own, they stood in the annotations.
                let title = listed.shift_remove("title");
                listed.shift_remove("outputSchema");
                if let Some(notes) = listed.get_mut("annotations").and_then(Value::as_object_mut) {
                    notes.extend(title.map(|t| ("title".to_owned(), t)));
                }
            }
            if !revision.has_annotations() {
                listed.shift_remove("annotations");
            }
            Value::Object(listed)
        })
        .collect();
    json!({"tools": tools})
}

/// The answer of a tool as the revision has it.
pub(crate) fn result(revision: Revision, outcome: Result<Output, call::Failure>) -> Value {
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    match outcome {
        Ok(output) if revision.has_structure() => json!({
            "content": text(&output.text),
            "structuredContent": output.structured,
            "isError": false,
        }),
        Ok(output) => json!({"content": text(&output.text), "isError": false}),
        Err(failure) => json!({"content": text(&failure.text()), "isError": true}),
    }
}

#[cfg(test)]
mod tests {
    use memrl::{CellType, EpisodeStatus, TaskType, TokenCounter};

    use super::*;

    #[test]
    fn the_seven_tools_are_listed_in_their_order_with_all_that_belongs_to_them() {
        let listed = list(Revision::V2026_07_28);
        let listed = listed["tools"].as_array().expect("a list");
        let names: Vec<&str> = listed.iter().filter_map(|t| t["name"].as_str()).collect();
        assert_eq!(names, RUNS.map(|(name, _)| name));
        for tool in listed {
            for part in ["title", "description"] {
                assert!(tool[part].as_str().is_some_and(|t| !t.is_empty()), "{tool}");
            }
            let notes = tool["annotations"].as_object().expect("annotations");
            for hint in [
                "readOnlyHint",
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
            ] {
                assert!(notes[hint].is_boolean(), "{tool}");
            }
            for schema in ["inputSchema", "outputSchema"] {
                assert_eq!(tool[schema]["type"], "object", "{tool}");
            }
        }
    }

    #[test]
    fn the_list_costs_an_agent_less_than_1500_tokens() {
        let listed = list(Revision::V2026_07_28);
        let shown: Vec<Value> = listed["tools"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|t| json!([t["name"], t["description"], t["inputSchema"]]))
            .collect();
        let text = serde_json::to_string(&shown).expect("JSON");
        let tokens = TokenCounter::Careful.count(&text);
        assert!(tokens < 1500, "{tokens}");
        let page = include_str!("../../../../docs/mcp.md");
        let said = format!("{} tokens", tokens.div_ceil(50) * 50);
        assert!(page.contains(&said), "docs/mcp.md does not say {said}");
    }

    #[test]
    fn enumerated_values_are_the_engines() {
        let values = |tool: &str, at: &str| -> Vec<String> {
            let tool = named(tool).expect("a tool");
            let values = tool.input.pointer(at).and_then(Value::as_array);
            let values = values.expect("an enumeration").iter();
            values
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        let kinds: Vec<&str> = CellType::ALL.iter().map(|t| t.as_str()).collect();
        assert_eq!(
            values("memrl_retrieve", "/properties/types/items/enum"),
            kinds
        );
        let tasks = TaskType::ALL.iter().filter(|t| **t != TaskType::Unknown);
        let tasks: Vec<&str> = tasks.map(|t| t.as_str()).collect();
        assert_eq!(values("memrl_capture", "/properties/task_type/enum"), tasks);
        let ends: Vec<&str> = EpisodeStatus::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(values("memrl_capture", "/properties/outcome/enum"), ends);
    }

    #[test]
    fn older_revisions_are_not_told_what_they_do_not_know() {
        let first = |revision| list(revision)["tools"][0].clone();
        let oldest = first(Revision::V2024_11_05);
        for part in ["title", "annotations", "outputSchema"] {
            assert!(oldest.get(part).is_none(), "{oldest}");
        }
        let next = first(Revision::V2025_03_26);
        assert_eq!(next["annotations"]["title"], "Recall experience");
        assert!(next.get("outputSchema").is_none());
        assert!(first(Revision::V2025_06_18)["outputSchema"].is_object());
    }
}
