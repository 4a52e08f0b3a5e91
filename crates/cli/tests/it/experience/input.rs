//! What programs send and read: limits, nonsense, JSON.

use serde_json::json;

use super::{LOGIN, Shop, text};
use crate::bad_input::refused;

#[test]
fn limits_of_any_size_are_capped_or_refused() {
    let shop = Shop::new();
    for i in 0..60 {
        shop.told(&format!("Fix the login redirect loop number {i}"), &[]);
    }
    let huge = "100000000000000000";
    let hits = shop.json(&["retrieve", "login redirect loop", "-l", huge]);
    assert_eq!(hits["hits"].as_array().map(Vec::len), Some(50));
    let all = shop.json(&["list", huge, "--type", "episode"]);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(60));
    let few = shop.json(&["list", "--type", "episode"]);
    assert_eq!(few["items"].as_array().map(Vec::len), Some(10));
    let cursor = text(&few["next_cursor"]);
    let more = shop.json(&["list", huge, "--type", "episode", "--cursor", &cursor]);
    assert_eq!(more["items"].as_array().map(Vec::len), Some(50));
    refused(
        &shop.home,
        r"
        2 | limit | retrieve x --limit 0
        2 | whole number | retrieve x --limit -1
        2 | whole number | retrieve x --limit 99999999999999999999999999
        2 | limit | list 0 --type episode
        2 | limit | list 100000000000000000
        2 | whole number | list 99999999999999999999999999 --type episode
        2 | cursor | list --type episode --cursor nonsense
        ",
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    shop.found("login redirect loop");
    let fact = shop.home.ok(&["add", "the sky is blue"]);
    let table = r"
        2 | nothing to capture | capture
        2 | summary or a prompt | capture --prompt ''
        2 | success, partial, failure | capture --prompt x --outcome great
        2 | bugfix | capture --prompt x --task-type chore
        2 | MESSAGE | capture --prompt x --error =>y
        2 | cannot be used | capture --prompt x --session y
        2 | cannot be used | capture --prompt x --diff
        4 | decision | capture --prompt x --decision NOBODY
        4 | /no/such.jsonl | capture --session /no/such.jsonl
        2 | not a file | capture --session /
        2 | query | retrieve ''
        2 | document_reference | retrieve x --type rumour
        2 | cannot be used | retrieve x --only --all-projects
        2 | html | retrieve x --format html
        2 | --episodes | feedback helpful
        2 | no verdict | feedback wonderful --episodes last
        2 | helpful, not-helpful | feedback wonderful
        2 | no-id | feedback helpful --episodes no-id
        2 | hint | feedback helpful --episodes ''
        2 | hint | feedback helpful --episodes ID,
        4 | no cell | feedback helpful --episodes NOBODY
        4 | decision | feedback helpful --episodes ID --decision NOBODY
        2 | hint | feedback helpful --episodes ID --decision ''
        5 | never shown | feedback helpful --episodes FACT
        2 | cannot be used | feedback helpful --episodes last --success 1
        2 | success, partial, failure | list --outcome great
        2 | cannot be used | list --tag x --scope a=b
        2 | cannot be used | list 5 --limit 5
        2 | hint | show ''
        2 | no-id | show no-id
        4 | no cell | show NOBODY
        4 | no cell | show 00000000
        4 | procedure | show last --type procedure
        4 | of type fact | show ID --type fact
        2 | --type episode | stats --type fact
        2 | cannot be used | status --all --project x
        2 | older_than | prune --older-than NaN
        2 | older_than | prune --older-than -1
        2 | older_than | prune --older-than inf
        2 | min_utility | prune --min-utility NaN
        2 | min_utility | prune --min-utility 1.5
        2 | min_utility | prune --min-utility -0.1
        2 | invalid value | prune --older-than soon
        4 | nothing was ever pruned | prune --undo
        2 | no-id | prune --undo no-id
        4 | no decision | prune --undo NOBODY
        2 | cannot be used | prune --undo last --execute
        2 | possible values | review destroy
    "
    .replace("NOBODY", "00000000-0000-4000-8000-000000000000")
    .replace("FACT", &fact)
    .replace("ID", &id);
    let before = shop.ok(&["list"]);
    refused(&shop.home, &table);
    assert_eq!(shop.ok(&["list"]), before, "nothing was changed");
    let evidence = &shop.json(&["show", &id])["value"]["evidence"];
    assert_eq!(evidence, &json!(0.0), "nothing was recorded");
}

#[test]
fn every_verb_of_experience_speaks_json() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    let lines = "
        action cell similar redacted credited warnings: capture --prompt upload
        decision_id hits recall: retrieve login
        decision_id hits recall: retrieve login --format json
        decision_id hits recall: retrieve xyzzy --all-projects
        cells reports: feedback mixed --episodes ID
        items next_cursor: list --type episode
        items next_cursor: list --tag nothing
        cell_id type payload value: show ID
        episodes by_outcome success_rate mean_value: stats --type episode
        episodes by_outcome tags: stats --project nowhere
        cells_by_type embedder episodes: stats
        project switched_off episodes suggestions: status
        episodes cells decisions: status --all
        cells edges changed total_change elapsed_us: propagate --temporal
        considered rows executed undo_until: prune
        considered rows executed decision_id: prune --older-than 0 --min-utility 1 --execute
        decision_id restored skipped: prune --undo
        action stale duplicates suggestions: review
        action done decision_id: review consolidate
        action done decision_id: review cleanup
        vectors embedded missing rewritten index_bytes: index
        vectors embedded missing rewritten index_bytes: index --reindex";
    for line in lines.replace("ID", &id).lines().map(str::trim) {
        let Some((keys, args)) = line.split_once(": ") else {
            continue;
        };
        let args: Vec<&str> = args.split_whitespace().collect();
        let value = shop.json(&args);
        for key in keys.split_whitespace() {
            assert!(
                value.get(key).is_some(),
                "memrl {args:?}: no {key} in {value}"
            );
        }
    }
    let none = shop.run(&["retrieve", "xyzzy", "--json"]);
    assert_eq!(none.json()["hits"], json!([]));
    assert_eq!(none.err, "", "JSON says nothing beside it");
}
