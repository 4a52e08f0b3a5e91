//! Databases and disks in a bad state.

use std::process::Command;

use crate::support::{Home, MEMRL, Run, files, many};

fn database(home: &Home) -> std::path::PathBuf {
    home.path().join("memrl.db")
}

fn refused(run: &Run, exit: i32, code: &str) {
    assert_eq!(run.code, Some(exit), "{}", run.whole());
    assert_eq!(run.error()["code"], code, "{}", run.whole());
    assert!(!run.error()["hint"].as_str().unwrap_or_default().is_empty());
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).expect("a directory");
    let poem =
        "a poem, not a database; long enough to be looked at by whoever opens it. ".repeat(99);
    std::fs::write(database(&home), &poem).expect("a file is written");
    for args in [
        &["list", "--json"][..],
        &["add", "x", "--json"],
        &["doctor", "--json"],
    ] {
        refused(&home.run(args), 6, "corrupt_database");
    }
    assert_eq!(
        std::fs::read_to_string(database(&home)).expect("it is there"),
        poem
    );
}

#[test]
fn a_truncated_database_is_refused_and_a_backup_brings_it_back() {
    let home = Home::new();
    home.with_three();
    let backup = home.file("backup.db");
    let backup = backup.to_str().expect("UTF-8");
    home.ok(&["backup", backup]);
    for file in files(&home.path()) {
        if file.extension().is_none_or(|e| e != "db") {
            std::fs::remove_file(file).expect("a side file is removed");
        }
    }
    let whole = std::fs::read(backup).expect("the backup is read");
    std::fs::write(database(&home), &whole[..whole.len() / 3]).expect("a file is written");
    let run = home.run(&["list", "--json"]);
    refused(&run, 6, "corrupt_database");
    let doctor = home.run(&["doctor"]);
    assert_ne!(doctor.code, Some(0), "{}", doctor.whole());
    assert!(doctor.err.contains("restore"), "{}", doctor.whole());
    home.ok(&["restore", backup, "--force"]);
    assert!(home.ok(&["list"]).contains("coffee"));
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let home = Home::new();
    home.with_three();
    let before = std::fs::read(database(&home)).expect("the database is read");
    let mut newer = before.clone();
    // The user version of an SQLite file stands at byte 60, big-endian.
    let version = u32::from_be_bytes([newer[60], newer[61], newer[62], newer[63]]);
    assert!(
        version > 0,
        "the version is kept where the test looks for it"
    );
    newer[60..64].copy_from_slice(&(version + 1000).to_be_bytes());
    std::fs::write(database(&home), &newer).expect("a file is written");
    for side in ["memrl.db-wal", "memrl.db-shm"] {
        let _ = std::fs::remove_file(home.path().join(side));
    }
    refused(&home.run(&["list", "--json"]), 6, "newer_database");
    assert_eq!(std::fs::read(database(&home)).expect("it is there"), newer);
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let home = Home::new();
    let place = home.file("locked");
    std::fs::create_dir(&place).expect("a directory");
    // Nobody may write into what is read only, except root: become somebody else.
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let memrl = home.file("memrl");
    std::fs::copy(MEMRL, &memrl).expect("the binary is copied");
    std::fs::set_permissions(home.file(""), PermissionsExt::from_mode(0o755)).expect("permissions");
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o555)).expect("permissions");
    let mut command = Command::new(&memrl);
    command
        .args(["add", "x", "--json", "--data-dir"])
        .arg(&place)
        .env_clear();
    if root {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("memrl runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(err.contains("\"read_only\""), "{err}");
    assert!(files(&place).is_empty());
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).expect("permissions");
}

#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing_that_was_stored() {
    let home = Home::new();
    home.with_three();
    let file = home.write("filler.jsonl", many(3000));
    // No file may grow beyond a megabyte; without the trap the kernel would end the process.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1024; exec {MEMRL} add --json --batch {}",
        file.display()
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .env_clear()
        .env("MEMRL_DATA_DIR", home.path())
        .env("PATH", "/bin:/usr/bin");
    let output = shell.output().expect("sh runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(err.contains("\"hint\""), "{err}");
    let listed = home.ok(&["list"]);
    assert_eq!(listed.lines().count(), 4, "all or nothing:\n{listed}");
    home.ok(&["add", "There is room again."]);
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    home.with_three();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let output = home
        .command(&["list", "--json"])
        .stdout(full)
        .output()
        .expect("memrl runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(err.contains("disk_full"), "{err}");
}

#[test]
fn a_backup_is_not_overwritten() {
    let home = Home::new();
    home.with_three();
    let there = home.write("there.db", "something dear");
    let run = home.run(&["backup", there.to_str().expect("UTF-8")]);
    assert_ne!(run.code, Some(0), "{}", run.whole());
    assert_eq!(
        std::fs::read_to_string(there).expect("it is there"),
        "something dear"
    );
}

#[test]
fn a_file_that_is_no_backup_is_not_restored() {
    let home = Home::new();
    home.with_three();
    let poem = home.write("poem.db", "a poem".repeat(1000));
    let run = home.run(&[
        "restore",
        poem.to_str().expect("UTF-8"),
        "--force",
        "--json",
    ]);
    refused(&run, 6, "corrupt_database");
    assert!(home.ok(&["list"]).contains("coffee"));
}
