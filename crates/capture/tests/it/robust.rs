//! Input that is broken, huge, hostile or still being written.

use std::io::{BufReader, Read, Write};

use memrl_capture::{CaptureError, Client, ReadOptions, read_on};
use proptest::prelude::*;

use crate::support::{fixture, read, read_more};

/// A line of Claude Code with this as the user's content, unescaped.
fn prompt(json: &str) -> String {
    format!(
        "{{\"type\":\"user\",\"sessionId\":\"s\",\"message\":{{\"role\":\"user\",\"content\":\"{json}\"}}}}\n"
    )
}

#[test]
fn broken_lines_are_counted_and_the_rest_is_read() {
    let deep = format!(
        "{{\"type\":\"user\",\"message\":{}{}}}\n",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let mut bytes = Vec::new();
    bytes.extend(prompt("Fix the login").into_bytes());
    bytes.extend(b"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"te\n".as_slice());
    bytes.extend(b"not json at all\n\n[1,2]\nnull\n{}\n".as_slice());
    bytes.extend(deep.into_bytes());
    bytes.extend(prompt("thanks").into_bytes());
    let episode = read(&bytes).unwrap();
    assert_eq!(episode.intent.raw_prompt, "Fix the login");
    let counts = episode.session.unwrap().counts;
    assert_eq!((counts.prompts, counts.unknown_lines), (2, 6));
}

#[test]
fn lone_surrogates_control_characters_and_bytes_that_are_no_text_lose_nothing() {
    for (json, expected) in [
        (r"half \ud800 pair", "half \u{FFFD} pair"),
        (r"low \uDC00\ud83d\ude00", "low \u{FFFD}😀"),
        ("raw \0 and \u{1} inside", "raw   and   inside"),
        (r"escaped \u0000 zero", "escaped  zero"),
        (r"bad \q escape", r"bad \q escape"),
        ("жжж🙂数据", "жжж🙂数据"),
    ] {
        let episode = read(prompt(json).as_bytes()).unwrap();
        assert_eq!(episode.intent.raw_prompt, expected, "{json}");
        assert_eq!(episode.session.unwrap().counts.unknown_lines, 0, "{json}");
    }
    let mut bytes = prompt("before MARK after").into_bytes();
    let at = bytes.windows(4).position(|w| w == b"MARK").unwrap();
    bytes[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0xc3, 0x28]);
    let episode = read(&bytes).unwrap();
    assert!(
        episode.intent.raw_prompt.starts_with("before \u{FFFD}"),
        "{}",
        episode.intent.raw_prompt
    );
}

#[test]
fn what_is_no_transcript_is_said_to_be_none() {
    for bytes in [
        b"".as_slice(),
        b"\n\n",
        b"hello\nworld\n",
        b"{\"a\":1}\n",
        b"\xff\xfe\x00",
        b"{\"type\":\"user\"}\n",
    ] {
        assert!(
            matches!(read(bytes), Err(CaptureError::NotATranscript)),
            "{bytes:?}"
        );
    }
    let options = ReadOptions {
        client: Some(Client::Codex),
        ..ReadOptions::default()
    };
    let episode = read_on(&mut b"{}\n".as_slice(), None, &options).unwrap();
    assert_eq!(episode.session.unwrap().counts.unknown_lines, 1);
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), which in 0_usize..4) {
        let client = [None, Some(Client::ClaudeCode), Some(Client::Codex), Some(Client::Text)][which];
        let options = ReadOptions { client, finished: true, ..ReadOptions::default() };
        let _ = read_on(&mut bytes.as_slice(), None, &options);
    }

    #[test]
    fn damaged_transcripts_are_read_without_panic(which in 0_usize..3, hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut bytes = fixture(["claude.jsonl", "codex.jsonl", "text.txt"][which]);
        for (at, byte) in hits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(episode) = read(&bytes) {
            prop_assert_eq!(episode.session.unwrap().offset, bytes.len() as u64);
        }
    }
}

#[test]
fn a_transcript_is_read_while_it_is_written() {
    let bytes = fixture("claude.jsonl");
    let expected = read_more(&bytes, None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.jsonl");
    std::fs::write(&path, b"").unwrap();
    let (file, all) = (path.clone(), bytes.clone());
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        // Pieces that end anywhere, in lines and in characters.
        for piece in all.chunks(997) {
            file.write_all(piece).unwrap();
            file.flush().unwrap();
            std::thread::yield_now();
        }
    });
    let mut episode = None;
    let mut readings = 0;
    loop {
        let done = writer.is_finished();
        episode = read_more(&std::fs::read(&path).unwrap(), episode);
        readings += 1;
        if done {
            break;
        }
    }
    writer.join().unwrap();
    assert!(readings > 0);
    assert_eq!(episode.unwrap(), expected);
}

/// A transcript that is made while it is read: a head, then the same line many times, then a tail.
struct Endless {
    parts: Vec<(Vec<u8>, u64)>,
    part: usize,
    at: usize,
    made: u64,
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let Some((bytes, times)) = self.parts.get_mut(self.part) else {
            return Ok(0);
        };
        let count = buf.len().min(bytes.len() - self.at);
        buf[..count].copy_from_slice(&bytes[self.at..self.at + count]);
        self.at += count;
        self.made += count as u64;
        if self.at == bytes.len() {
            self.at = 0;
            *times -= 1;
            if *times == 0 {
                self.part += 1;
            }
        }
        Ok(count)
    }
}

#[test]
fn a_gigabyte_is_read_in_little_memory() {
    let big = "     1→let значение = \\\"строка\\\";\\n".repeat(25_000);
    let turn = format!(
        "{{\"type\":\"assistant\",\"sessionId\":\"s\",\"message\":{{\"id\":\"m\",\"content\":[{{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Read\",\"input\":{{\"file_path\":\"/p/a.rs\"}}}}]}}}}\n\
         {{\"type\":\"user\",\"sessionId\":\"s\",\"message\":{{\"role\":\"user\",\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"{big}\"}}]}},\"toolUseResult\":{{\"file\":{{\"content\":\"{big}\"}}}}}}\n"
    );
    let turns = (1_u64 << 30).div_ceil(turn.len() as u64);
    // One line is longer than any that is held.
    let monster = format!(
        "{{\"type\":\"user\",\"message\":{{\"content\":\"{}\"}}}}\n",
        "x".repeat(40 << 20)
    );
    let parts = vec![
        (prompt("Read everything").into_bytes(), 1),
        (turn.into_bytes(), turns),
        (monster.into_bytes(), 1),
        (prompt("Perfect, thanks").into_bytes(), 1),
    ];
    let mut input = BufReader::with_capacity(
        64 << 10,
        Endless {
            parts,
            part: 0,
            at: 0,
            made: 0,
        },
    );
    let before = resident_peak();
    let started = std::time::Instant::now();
    let episode = read_on(&mut input, None, &ReadOptions::default()).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let made = input.into_inner().made;
    eprintln!("{:.0} MB/s", made as f64 / 1e6 / seconds);
    assert!(made >= 1 << 30);
    let session = episode.session.unwrap();
    assert_eq!(session.offset, made);
    assert_eq!(u64::from(session.counts.tool_calls), turns);
    assert_eq!(
        (session.counts.prompts, session.counts.unknown_lines),
        (2, 1)
    );
    assert!(session.pending.is_empty());
    assert_eq!(episode.context.files_read, ["/p/a.rs"]);
    if let (Some(before), Some(after)) = (before, resident_peak()) {
        // Other tests of this binary run at the same time; a gigabyte held would still be seen.
        assert!(
            after - before < 400 << 10,
            "{before} KiB before, {after} KiB after"
        );
    }
}

#[test]
fn a_turn_of_a_million_lines_costs_no_more_than_its_lines() {
    let text = format!(
        "Human: go\n{}Human:\n<skill>\n{}",
        "x\n\n".repeat(500_000),
        "y\n".repeat(500_000)
    );
    let episode = read(text.as_bytes()).unwrap();
    assert_eq!(episode.intent.raw_prompt.chars().count(), 4_000);
    assert!(episode.intent.raw_prompt.starts_with("go\nx\n\nx"));
    assert_eq!(episode.session.unwrap().counts.prompts, 1);
}

#[test]
fn an_answer_of_a_million_lines_costs_no_more_than_its_lines() {
    let text = format!(
        "Human: go\nAssistant: {}\n{}",
        "the beginning of a long answer ".repeat(3),
        "x y\n\n".repeat(500_000)
    );
    let episode = read(text.as_bytes()).unwrap();
    assert!(
        episode
            .solution
            .starts_with("the beginning of a long answer the")
    );
    assert!(episode.solution.chars().count() <= 600);
    let answer = episode.session.unwrap().reading.answer;
    assert!(
        answer.chars().count() <= 2_410,
        "{}",
        answer.chars().count()
    );
}

/// The most memory that this process has held, in KiB, where the system tells.
fn resident_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
