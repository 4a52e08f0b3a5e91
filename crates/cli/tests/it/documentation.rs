//! What is written about the command line is so.

use memrl::Code;

use crate::support::Home;

const PAGE: &str = include_str!("../../../../docs/cli.md");

/// The commands, as `memrl --help` lists them.
fn commands(home: &Home) -> Vec<String> {
    let help = home.ok(&["--help"]);
    let list = help.split("Commands:").nth(1).expect("a list of commands");
    list.lines()
        .skip(1)
        .take_while(|l| !l.trim().is_empty())
        .filter_map(|l| l.strip_prefix("  "))
        .filter(|l| !l.starts_with(' '))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_help_and_a_chapter_with_an_example() {
    let home = Home::new();
    let commands = commands(&home);
    assert!(commands.len() >= 25, "{commands:?}");
    for name in &commands {
        let help = home.ok(&[name, "--help"]);
        assert!(help.contains(&format!("Usage: memrl {name}")), "{help}");
        assert_eq!(home.ok(&["help", name]), help);
        let chapter = PAGE
            .split("\n### ")
            .find(|c| c.starts_with(&format!("`memrl {name}`")))
            .unwrap_or_else(|| panic!("docs/cli.md has no chapter on {name}"));
        assert!(
            chapter.contains(&format!("\nmemrl {name}")),
            "no example of {name}"
        );
    }
    for chapter in PAGE.split("\n### `memrl ").skip(1) {
        let name = chapter.split('`').next().unwrap_or_default();
        assert!(
            commands.iter().any(|c| c == name),
            "there is no command {name}"
        );
    }
}

#[test]
fn the_table_of_codes_is_the_one_of_the_program() {
    for code in Code::ALL {
        let info = code.info();
        let row = format!("| `{}` | {} | {} |", info.code, info.exit, info.status);
        assert!(PAGE.contains(&row), "docs/cli.md lacks the row {row}");
    }
    let is_code = |l: &&str| {
        let mut fields = l.split('|').map(str::trim);
        l.starts_with("| `") && fields.nth(2).is_some_and(|exit| exit.parse::<u8>().is_ok())
    };
    let rows = PAGE.lines().filter(is_code).count();
    assert_eq!(
        rows,
        Code::ALL.len(),
        "docs/cli.md has rows of codes that are none"
    );
}

#[test]
fn every_setting_is_listed() {
    for key in memrl::config::KEYS {
        let row = format!("| `{}` | `{}` | {} |", key.name, key.env, key.about);
        assert!(PAGE.contains(&row), "docs/cli.md lacks the row {row}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            home.ok(&["completions", shell]).contains("recall"),
            "{shell}"
        );
    }
    assert!(home.ok(&["man"]).starts_with(".ie"));
    let dir = home.file("man1");
    home.ok(&["man", "--out", dir.to_str().expect("UTF-8")]);
    for page in ["memrl.1", "memrl-recall.1", "memrl-reward-recompute.1"] {
        assert!(dir.join(page).is_file(), "{page}");
    }
    assert!(home.ok(&["--version"]).starts_with("memrl 0."));
}
