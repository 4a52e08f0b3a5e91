//! `memrl setup`: what it does to files of other programs, and what it leaves alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, MEMRL, Run, files, regex_of};
use crate::words;

const CLIENTS: [&str; 4] = ["claude-code", "codex", "cursor", "vscode"];

/// The binary as people have it: on the search path, without a data directory of its own.
fn setup(home: &Home, args: &[&str]) -> Run {
    run(&mut command(home, args))
}

fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command(&[&["setup"], args].concat());
    let bin = Path::new(MEMRL).parent().expect("a directory");
    command
        .env_remove("MEMRL_DATA_DIR")
        .env("PATH", bin)
        .current_dir(home.file(""));
    command
}

fn run(command: &mut Command) -> Run {
    Run::of(command.output().expect("memrl runs"))
}

fn ok(home: &Home, args: &[&str]) -> Run {
    let run = setup(home, args);
    assert_eq!(run.code, Some(0), "setup {args:?}\n{}", run.whole());
    run
}

/// Every file in the home directory, with its bytes.
fn everything(home: &Home) -> BTreeMap<String, Vec<u8>> {
    let root = home.file("");
    files(&root)
        .into_iter()
        .map(|f| {
            let name = f
                .strip_prefix(&root)
                .expect("below it")
                .display()
                .to_string();
            (name, std::fs::read(&f).expect("a file is read"))
        })
        .collect()
}

fn write(home: &Home, name: &str, content: &str) {
    let path = home.file(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, content).expect("a file is written");
}

fn read(home: &Home, name: &str) -> String {
    std::fs::read_to_string(home.file(name)).expect("a file is read")
}

fn parsed(home: &Home, name: &str) -> Value {
    serde_json::from_str(&read(home, name)).expect("JSON")
}

#[test]
fn every_program_gets_what_its_documentation_asks_for() {
    let home = Home::new();
    for client in CLIENTS {
        ok(&home, &[client, "--yes"]);
    }
    let server = json!({"type": "stdio", "command": "memrl", "args": ["mcp"]});
    let servers = json!({"mcpServers": {"memrl": server}});
    assert_eq!(parsed(&home, ".claude.json"), servers);
    assert_eq!(parsed(&home, ".cursor/mcp.json"), servers);
    assert_eq!(
        parsed(&home, ".vscode/mcp.json"),
        json!({"servers": {"memrl": server}})
    );
    assert_eq!(
        read(&home, ".codex/config.toml"),
        "[mcp_servers.memrl]\ncommand = \"memrl\"\nargs = [\"mcp\"]\n"
    );
    let cursor = parsed(&home, ".cursor/hooks.json");
    assert_eq!(cursor["version"], 1);
    assert_eq!(
        cursor["hooks"]["sessionStart"],
        json!([{"command": "memrl hook session-start --client cursor"}])
    );
    // Codex reads its file strictly, and drops hooks that are to run in the background.
    let codex = parsed(&home, ".codex/hooks.json");
    let keys: Vec<_> = codex.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["hooks"]);
    assert!(!read(&home, ".codex/hooks.json").contains("async"));
}

/// What settings, the plugin and the binary have to agree on.
#[test]
fn the_plugin_has_the_hooks_that_setup_writes_and_the_binary_knows() {
    let home = Home::new();
    ok(&home, &["claude-code", "--yes"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let json_of = |name: &str| -> Value {
        let text = std::fs::read_to_string(root.join(name)).expect(name);
        serde_json::from_str(&text).expect(name)
    };
    let plugin = json_of("plugin/hooks/hooks.json");
    assert_eq!(plugin, parsed(&home, ".claude/settings.json"));
    assert_eq!(json_of("plugin/.mcp.json"), parsed(&home, ".claude.json"));

    let manifest = json_of("plugin/.claude-plugin/plugin.json");
    assert_eq!(manifest["name"], "memrl");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let market = json_of(".claude-plugin/marketplace.json");
    assert!(market["owner"]["name"].is_string());
    assert_eq!(market["plugins"][0]["name"], manifest["name"]);
    assert_eq!(market["plugins"][0]["source"], "./plugin");
    let skill = std::fs::read_to_string(root.join("plugin/skills/memory/SKILL.md")).expect("it");
    assert!(skill.starts_with("---\nname: memory\ndescription: "));
    for tool in [
        "retrieve",
        "capture",
        "feedback",
        "status",
        "stats",
        "propagate",
        "review",
    ] {
        assert!(skill.contains(&format!("`memrl_{tool}`")), "{tool}");
    }

    let page = std::fs::read_to_string(root.join("docs/integration.md")).expect("a page");
    for event in plugin["hooks"].as_object().expect("hooks").keys() {
        assert!(
            page.contains(&format!("| `{event}`")),
            "docs/integration.md lacks {event}"
        );
    }

    // Every command of a hook is one that the binary knows and answers within its time-out.
    let help = home.ok(&["hook", "--help"]);
    let known = help
        .split("Events: ")
        .nth(1)
        .and_then(|l| l.lines().next())
        .expect("events");
    let mut known: Vec<&str> = known.split(", ").collect();
    let mut entered = Vec::new();
    for groups in plugin["hooks"].as_object().expect("hooks").values() {
        let hook = &groups[0]["hooks"][0];
        assert_eq!(hook["type"], "command");
        assert!(hook["timeout"].as_u64().expect("a number") <= 10);
        let command = hook["command"].as_str().expect("a text").to_owned();
        entered.push(command.trim_start_matches("memrl hook ").to_owned());
    }
    known.sort_unstable();
    entered.sort_unstable();
    assert_eq!(known, entered);
}

#[test]
fn what_would_be_done_is_shown() {
    let home = Home::new();
    write(
        &home,
        ".claude.json",
        "{\n  \"numStartups\": 3,\n  \"mcpServers\": {\n    \"github\": {\"command\": \"gh-mcp\"}\n  }\n}\n",
    );
    write(
        &home,
        ".codex/config.toml",
        "model = \"gpt-6\" # fast\n\n[mcp_servers.docs]\ncommand = \"docs\"\n",
    );
    let before = everything(&home);
    for client in CLIENTS {
        words!(home, ok(&home, &[client, "--dry-run"]).whole());
    }
    words!(home, setup(&home, &["codex"]).whole());
    words!(home, ok(&home, &["vscode", "--scope", "user"]).whole());
    assert_eq!(everything(&home), before, "nothing is written");
    words!(home, ok(&home, &["codex", "--yes"]).whole());
    words!(home, ok(&home, &["codex", "--yes"]).whole());
    words!(home, ok(&home, &["codex", "--undo", "--dry-run"]).whole());
    words!(home, ok(&home, &["codex", "--undo", "--yes"]).whole());
    words!(home, ok(&home, &["codex", "--undo", "--yes"]).whole());
}

/// Files as people have them: `(name, content)` for each program.
const JSON_FILES: &[&str] = &[
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    "",
    "\n",
    "{\"a\":1}",
    "{\"a\": 1, \"b\": [1, 2]}\r\n",
    "\u{feff}{\n  \"a\": 1\n}\n",
    "{\r\n\t\"a\": 1,\r\n\t\"mcpServers\": {\r\n\t\t\"x\": {}\r\n\t}\r\n}\r\n",
    "{\n  // mine\n  \"mcpServers\": {}, /* yours */\n  \"servers\": {\n    \"x\": { \"command\": \"y\" }, // last\n  },\n  \"hooks\": {}\n}",
    "{\"mcpServers\":{},\"servers\":{},\"hooks\":{\"Stop\":[],\"stop\":[]}}",
    "{\n    \"hooks\": {\n        \"Stop\": [\n            // my own\n            {\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}\n        ],\n        \"sessionStart\": [{\"command\": \"echo hi\"}],\n        \"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"./guard memrl hook\"}]}]\n    },\n    \"z\": \"кириллица 🦀 \\u00e9\"\n}\n",
    "// only a comment above\n{\n  \"version\": 1,\n  \"hooks\": {\n    \"afterAgentResponse\": [\n      { \"command\": \"x\" }\n    ]\n  }\n}\n// and one below\n",
];

const TOML_FILES: &[&str] = &[
    "",
    "\n",
    "# only a comment",
    "model = \"gpt-6\"\n",
    "model = \"gpt-6\" # why\n\n# servers\n[mcp_servers.docs]\ncommand = \"docs\"\n\n# the end\n",
    "[mcp_servers]\n",
    "[mcp_servers]\ndocs = { command = \"docs\", args = [] }\n\n[tui]\ntheme = \"dark\"\n",
    "mcp_servers = { docs = { command = \"docs\" } }\n",
    "\u{feff}[profiles.x]\nmodel = \"o\"\n\n\n[mcp_servers.docs.env]\nA = \"1\"\n",
    "[features]\nhooks = true\n[[skills]]\nname = 'a'\n",
];

fn settings_of(client: &str) -> [&'static str; 2] {
    match client {
        "claude-code" => [".claude.json", ".claude/settings.json"],
        "codex" => [".codex/config.toml", ".codex/hooks.json"],
        "cursor" => [".cursor/mcp.json", ".cursor/hooks.json"],
        _ => [".vscode/mcp.json", ".vscode/mcp.json"],
    }
}

#[test]
fn once_is_enough_and_undo_restores_every_byte() {
    for client in CLIENTS {
        let [server, hooks] = settings_of(client);
        for (n, json) in JSON_FILES.iter().enumerate() {
            let home = Home::new();
            let toml = TOML_FILES[n % TOML_FILES.len()];
            write(&home, server, if client == "codex" { toml } else { json });
            if hooks != server {
                write(&home, hooks, json);
            }
            let before = everything(&home);
            ok(&home, &[client, "--yes"]);
            let after = everything(&home);
            assert_ne!(before, after);
            let again = ok(&home, &[client, "--yes"]);
            assert!(again.out.starts_with("Nothing to do"), "{}", again.whole());
            assert_eq!(everything(&home), after, "{client} {json:?}");
            ok(&home, &[client, "--undo", "--yes"]);
            assert_eq!(everything(&home), before, "{client} {json:?}");
            let again = ok(&home, &[client, "--undo", "--yes"]);
            assert!(again.out.starts_with("Nothing to do"), "{}", again.whole());
        }
    }
}

#[test]
fn files_that_setup_made_go_with_undo() {
    let home = Home::new();
    for client in CLIENTS {
        ok(&home, &[client, "--yes"]);
        assert!(!everything(&home).is_empty());
        ok(&home, &[client, "--undo", "--yes"]);
        assert!(
            everything(&home).is_empty(),
            "{:?}",
            everything(&home).keys()
        );
        // Nor does an empty folder of settings stay.
        let left = std::fs::read_dir(home.file(".")).expect("a directory");
        let names = left.map(|f| f.expect("an entry").file_name());
        let hidden = names.filter(|n| n.to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0, "{client}");
    }
}

#[test]
fn undo_takes_out_ours_and_leaves_what_was_changed_since() {
    for (n, json) in JSON_FILES.iter().enumerate() {
        let home = Home::new();
        let [server, hooks] = settings_of("claude-code");
        write(&home, server, json);
        write(&home, hooks, json);
        ok(&home, &["claude-code", "--yes"]);
        for file in [server, hooks] {
            let text = read(&home, file);
            let changed =
                text.replacen('{', "{\n  \"since\": \"тогда\", // a comment of mine\n", 1);
            write(&home, file, &changed);
        }
        ok(&home, &["claude-code", "--undo", "--yes"]);
        for file in [server, hooks] {
            let text = read(&home, file);
            assert!(text.contains("\"since\": \"тогда\""), "{text}");
            assert!(text.contains("// a comment of mine"), "{text}");
            assert!(
                !text.contains("memrl hook session-start") && !text.contains("\"memrl\""),
                "{text}"
            );
            for comment in [
                "// mine",
                "/* yours */",
                "// last",
                "// my own",
                "// and one below",
            ] {
                assert_eq!(
                    text.contains(comment),
                    json.contains(comment),
                    "{n}: {text}"
                );
            }
            for kept in [
                "./guard memrl hook",
                "say done",
                "echo hi",
                "кириллица 🦀 \\u00e9",
            ] {
                assert_eq!(text.contains(kept), json.contains(kept), "{n}: {text}");
            }
        }
    }
}

#[test]
fn undo_takes_out_our_table_and_leaves_what_was_added_since() {
    const SINCE: &str = "\n[since]\nx = 1 # a comment of mine\n";
    for text in TOML_FILES {
        let home = Home::new();
        let [server, _] = settings_of("codex");
        write(&home, server, text);
        ok(&home, &["codex", "--yes", "--no-hooks"]);
        write(&home, server, &(read(&home, server) + SINCE));
        ok(&home, &["codex", "--undo", "--yes", "--no-hooks"]);
        let left = read(&home, server);
        let value = |text: &str| -> toml::Table {
            text.trim_start_matches('\u{feff}').parse().expect("TOML")
        };
        assert_eq!(value(&left), value(&format!("{text}{SINCE}")), "{left}");
        for comment in ["# a comment of mine", "# why", "# servers", "# the end"] {
            assert_eq!(
                left.contains(comment),
                text.contains(comment) || SINCE.contains(comment),
                "{left}"
            );
        }
    }
}

#[test]
fn a_later_setup_changes_the_entries_and_keeps_what_the_user_added() {
    let home = Home::new();
    ok(&home, &["claude-code", "--yes"]);
    ok(&home, &["codex", "--yes"]);
    let own = read(&home, ".claude.json").replace(
        "\"args\"",
        "\"alwaysLoad\": true, \"env\": {\"A\": \"1\"}, \"args\"",
    );
    write(&home, ".claude.json", &own);
    let own = read(&home, ".codex/config.toml") + "startup_timeout_sec = 20 # slow\n";
    write(&home, ".codex/config.toml", &own);
    let group = "{\"matcher\": \"x\", \"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}, {\"type\": \"command\", \"command\": \"/old/memrl hook stop\"}]}";
    let own = read(&home, ".claude/settings.json")
        .replace("\"Stop\": [", &format!("\"Stop\": [{group}, "));
    write(&home, ".claude/settings.json", &own);

    let chosen = home.file("my data");
    let chosen = chosen.to_str().expect("UTF-8");
    for client in ["claude-code", "codex"] {
        let args = [client, "--yes", "--data-dir", chosen];
        ok(&home, &args);
        assert!(ok(&home, &args).out.starts_with("Nothing to do"));
    }
    let entry = &parsed(&home, ".claude.json")["mcpServers"]["memrl"];
    assert_eq!(entry["env"], json!({"A": "1", "MEMRL_DATA_DIR": chosen}));
    assert_eq!(entry["alwaysLoad"], true);
    let toml = read(&home, ".codex/config.toml");
    assert!(toml.contains("startup_timeout_sec = 20 # slow"), "{toml}");
    assert!(
        toml.contains(&format!("env = {{ MEMRL_DATA_DIR = \"{chosen}\" }}")),
        "{toml}"
    );
    let stop = parsed(&home, ".claude/settings.json")["hooks"]["Stop"].clone();
    let expected = json!([
        {"matcher": "x", "hooks": [{"type": "command", "command": "mine"}]},
        {"hooks": [{"type": "command", "command": format!("memrl --data-dir '{chosen}' hook stop"), "timeout": 10, "async": true}]},
    ]);
    assert_eq!(stop, expected);

    ok(&home, &["claude-code", "--yes"]);
    let entry = &parsed(&home, ".claude.json")["mcpServers"]["memrl"];
    assert_eq!(entry["env"], json!({"A": "1"}));
}

#[test]
fn a_file_that_cannot_be_read_stops_everything() {
    for (file, content) in [
        (".claude/settings.json", "{\"hooks\": "),
        (".claude/settings.json", "[1, 2]"),
        (".claude/settings.json", "{\"hooks\": []}"),
        (".claude/settings.json", "{\"hooks\": {\"Stop\": {}}}"),
        (".claude/settings.json", "{'hooks': 1}"),
        (".claude.json", "{\"mcpServers\": 7}"),
        (".claude.json", "nothing"),
    ] {
        let home = Home::new();
        write(&home, file, content);
        let before = everything(&home);
        let run = setup(&home, &["claude-code", "--yes", "--json"]);
        assert_eq!(run.code, Some(2), "{content}: {}", run.whole());
        let error = run.error();
        assert_eq!(error["code"], "invalid_input");
        let message = error["message"].as_str().expect("a text");
        assert!(message.contains(file), "{message}");
        assert!(
            error["hint"].as_str().expect("a text").contains("memrl"),
            "{}",
            run.whole()
        );
        assert_eq!(everything(&home), before);
    }
    let home = Home::new();
    write(&home, ".codex/config.toml", "model = \n");
    let run = setup(&home, &["codex", "--yes"]);
    assert_eq!(run.code, Some(2), "{}", run.whole());
    assert!(run.err.contains("config.toml"), "{}", run.whole());
    std::fs::write(home.file(".codex/config.toml"), [0xff, 0xfe, 0x00]).expect("it is written");
    assert_eq!(setup(&home, &["codex", "--yes"]).code, Some(2));
}

#[test]
fn only_what_is_asked_for_is_touched() {
    let home = Home::new();
    ok(&home, &["claude-code", "--yes", "--no-hooks"]);
    assert_eq!(
        everything(&home).keys().collect::<Vec<_>>(),
        [".claude.json"]
    );
    ok(&home, &["claude-code", "--yes", "--no-mcp"]);
    ok(&home, &["claude-code", "--yes", "--undo", "--no-mcp"]);
    assert_eq!(
        everything(&home).keys().collect::<Vec<_>>(),
        [".claude.json"]
    );

    let home = Home::new();
    for client in CLIENTS {
        ok(&home, &[client, "--yes", "--scope", "project"]);
    }
    let names: Vec<String> = everything(&home).into_keys().collect();
    assert_eq!(
        names,
        [
            ".claude/settings.json",
            ".codex/config.toml",
            ".codex/hooks.json",
            ".cursor/hooks.json",
            ".cursor/mcp.json",
            ".mcp.json",
            ".vscode/mcp.json",
        ]
    );
    let run = setup(&home, &["codex", "--no-mcp", "--no-hooks", "--yes"]);
    assert_eq!(run.code, Some(2), "{}", run.whole());
}

#[test]
fn settings_that_live_elsewhere_are_found() {
    let home = Home::new();
    let claude = home.file("config of claude");
    let codex = home.file("codex home");
    for client in ["claude-code", "codex"] {
        let mut command = command(&home, &[client, "--yes"]);
        command
            .env("CLAUDE_CONFIG_DIR", &claude)
            .env("CODEX_HOME", &codex);
        let run = run(&mut command);
        assert_eq!(run.code, Some(0), "{}", run.whole());
    }
    let names: Vec<String> = everything(&home).into_keys().collect();
    assert_eq!(
        names,
        [
            "codex home/config.toml",
            "codex home/hooks.json",
            "config of claude/.claude.json",
            "config of claude/settings.json",
        ]
    );
}

#[test]
fn a_binary_off_the_search_path_is_named_by_its_place() {
    let home = Home::new();
    let other = home.file("bin");
    std::fs::create_dir(&other).expect("a directory");
    // Another program of the same name is not us.
    std::fs::write(other.join("memrl"), "#!/bin/sh\n").expect("a file");
    let mut command = command(&home, &["claude-code", "--yes"]);
    let run = run(command
        .env("PATH", &other)
        .env("MEMRL_DATA_DIR", "rel/data"));
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let entry = parsed(&home, ".claude.json")["mcpServers"]["memrl"].clone();
    let named = std::fs::canonicalize(entry["command"].as_str().expect("a text"));
    let ours = std::fs::canonicalize(MEMRL).expect("it exists");
    assert_eq!(named.expect("it exists"), ours);
    let data = home
        .file("rel/data")
        .canonicalize()
        .unwrap_or_else(|_| home.file("rel/data"));
    assert_eq!(entry["env"]["MEMRL_DATA_DIR"], data.display().to_string());
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    write(&home, "dotfiles/settings.json", "{\n  \"a\": 1\n}\n");
    std::fs::create_dir(home.file(".claude")).expect("a directory");
    let link = home.file(".claude/settings.json");
    std::os::unix::fs::symlink("../dotfiles/settings.json", &link).expect("a link");
    write(&home, ".claude.json", "{\"secret\": 1}\n");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(home.file(".claude.json"), private).expect("permissions");
    ok(&home, &["claude-code", "--yes"]);
    assert!(
        std::fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink()
    );
    assert!(read(&home, "dotfiles/settings.json").contains("memrl hook prompt"));
    for name in [".claude.json", ".claude.json.before-memrl"] {
        let meta = std::fs::metadata(home.file(name)).expect("it is there");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(
        read(&home, ".claude.json.before-memrl"),
        "{\"secret\": 1}\n"
    );
}

#[test]
fn without_a_terminal_nothing_is_changed_unasked() {
    let home = Home::new();
    let run = setup(&home, &["claude-code"]);
    assert_eq!(run.code, Some(2), "{}", run.whole());
    assert!(run.out.contains("+        \"args\": [\"mcp\"]") || run.out.contains("\"args\""));
    assert!(run.err.contains("--yes"), "{}", run.whole());
    assert_eq!(setup(&home, &["claude-code", "--json"]).code, Some(2));
    assert!(everything(&home).is_empty());
    let run = ok(&home, &["claude-code", "--json", "--dry-run"]);
    let report = run.json();
    assert_eq!(report["written"], false);
    assert_eq!(report["changes"][0]["action"], "create");
    assert!(everything(&home).is_empty());
}
