//! What a benchmark ran on, for the header of its report. What cannot be found out is `None`.
//!
//! Reads the system's own files (Linux) or asks `sysctl` and `sw_vers` (macOS); names no host
//! and no user.

use serde::{Deserialize, Serialize};

/// A machine and the build that ran on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The model of the processor.
    pub cpu: Option<String>,
    /// Hardware threads that this process may use.
    pub cores: Option<usize>,
    /// Main memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The operating system with its version.
    pub os: Option<String>,
    /// The processor architecture, e.g. `x86_64`.
    pub arch: String,
    /// The compiler that built this.
    pub rustc: Option<String>,
    /// `release` or `debug`: numbers of a debug build are not to be published.
    pub profile: String,
    /// The version of memrl.
    pub memrl: String,
}

impl Machine {
    /// The machine that this runs on.
    pub fn here() -> Self {
        let system = system();
        Self {
            cores: std::thread::available_parallelism().ok().map(Into::into),
            arch: std::env::consts::ARCH.to_owned(),
            rustc: some(env!("MEMRL_RUSTC")),
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_owned(),
            memrl: env!("CARGO_PKG_VERSION").to_owned(),
            ..system
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        let cores = self.cores.map_or("?".to_owned(), |c| c.to_string());
        let memory = self.memory_bytes.map_or("?".to_owned(), |b| {
            format!("{:.1}", b as f64 / f64::from(1 << 30))
        });
        write!(
            f,
            "{} ({}), {cores} threads, {memory} GiB; {}; memrl {} ({} build, {})",
            unknown(&self.cpu),
            self.arch,
            unknown(&self.os),
            self.memrl,
            self.profile,
            unknown(&self.rustc),
        )
    }
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(target_os = "linux")]
fn system() -> Machine {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/etc/os-release");
    let name = field(&release, "PRETTY_NAME", '=').map(|n| n.trim_matches('"').to_owned());
    let kernel = some(&read("/proc/sys/kernel/osrelease"));
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name", ':'),
        memory_bytes: field(&read("/proc/meminfo"), "MemTotal", ':')
            .and_then(|text| kibibytes(&text)),
        os: match (name, kernel) {
            (Some(name), Some(kernel)) => Some(format!("{name}, Linux {kernel}")),
            (None, Some(kernel)) => Some(format!("Linux {kernel}")),
            (name, None) => name,
        },
        ..Machine::default()
    }
}

#[cfg(target_os = "macos")]
fn system() -> Machine {
    let ask = |program: &str, arguments: &[&str]| {
        let out = std::process::Command::new(program)
            .args(arguments)
            .output()
            .ok()?;
        some(&String::from_utf8(out.stdout).ok()?)
    };
    Machine {
        cpu: ask("sysctl", &["-n", "machdep.cpu.brand_string"]),
        memory_bytes: ask("sysctl", &["-n", "hw.memsize"]).and_then(|text| text.parse().ok()),
        os: ask("sw_vers", &["-productVersion"]).map(|version| format!("macOS {version}")),
        ..Machine::default()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn system() -> Machine {
    Machine {
        os: Some(std::env::consts::OS.to_owned()),
        ..Machine::default()
    }
}

/// The value after the first `key`, blanks and `separator`.
#[cfg(any(target_os = "linux", test))]
fn field(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(separator)?;
        (name.trim() == key).then(|| some(value)).flatten()
    })
}

#[cfg(any(target_os = "linux", test))]
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: Other\n";
        assert_eq!(
            field(cpuinfo, "model name", ':').unwrap(),
            "Some CPU @ 2.0GHz"
        );
        assert_eq!(kibibytes("16384 kB"), Some(16_777_216));
        assert_eq!(field("", "model name", ':'), None);
    }

    #[test]
    fn an_unknown_machine_can_be_printed() {
        let text = Machine::default().to_string();
        assert!(
            text.starts_with("unknown (), ? threads, ? GiB; unknown;"),
            "{text}"
        );
        assert_eq!(Machine::here().memrl, env!("CARGO_PKG_VERSION"));
    }
}
