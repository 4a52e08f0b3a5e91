//! What a model's answer may do to an episode, and the wire format of both providers against a
//! server on this machine.

use memrl_capture::extract::{Extracted, MAX_DIGEST, apply, digest_of, parse, prompt_of};
use memrl_types::{Episode, EpisodeStatus, TaskType, TestCounts, Trouble};
use proptest::prelude::*;

const GOOD: &str = r#"{"summary": "Fixed the login redirect.", "task_type": "bugfix", "outcome": "success",
    "tags": ["Auth", "web"], "errors_resolved": [{"error": "E0308 mismatched types", "resolution": "return Option"}],
    "key_learnings": ["Cookies need SameSite behind the proxy."]}"#;

fn said(answer: &str) -> Extracted {
    parse(answer).unwrap_or_else(|| panic!("unread: {answer}"))
}

#[test]
fn an_answer_is_read_however_it_is_wrapped() {
    let plain = said(GOOD);
    assert_eq!(plain.summary.as_deref(), Some("Fixed the login redirect."));
    assert_eq!(plain.task_type, Some(TaskType::Bugfix));
    assert_eq!(plain.outcome, Some(EpisodeStatus::Success));
    assert_eq!(plain.tags, ["auth", "web"]);
    assert_eq!(plain.errors_resolved[0].resolution, "return Option");
    assert_eq!(plain.key_learnings.len(), 1);
    for wrapped in [
        format!("```json\n{GOOD}\n```"),
        format!("Here is the summary {{as asked}}:\n\n{GOOD}\n\nAnything else?"),
        format!("<think>the user wants {{\"summary\": 1}}</think>\n{GOOD}"),
        format!("{{\"note\": 1}} {GOOD}"),
    ] {
        assert_eq!(said(&wrapped), plain, "{wrapped}");
    }
}

#[test]
fn fields_of_a_wrong_type_are_as_if_they_were_not_there() {
    let odd = said(
        r#"{"summary": 7, "task_type": "chore", "outcome": ["success"], "tags": "one", "errors_resolved":
        [1, {"error": "x"}, {"error": "a", "resolution": "b"}], "key_learnings": [null, " ", "kept"]}"#,
    );
    assert_eq!(
        (odd.summary, odd.task_type, odd.outcome),
        (None, None, None)
    );
    assert_eq!(odd.tags, ["one"]);
    assert_eq!(odd.errors_resolved.len(), 1);
    assert_eq!(odd.key_learnings, ["kept"]);
    for none in [
        "",
        "no",
        "[]",
        "{}",
        "{\"x\": 1}",
        "{\"summary\": \"cut o",
        "{{{{{{",
    ] {
        assert_eq!(parse(none), None, "{none}");
    }
}

fn episode() -> Episode {
    let mut e = Episode::default();
    e.intent.raw_prompt = "почини вход".into();
    e.intent.extracted_intent = "почини вход".into();
    e.intent.task_type = TaskType::Debug;
    e.intent.domain = vec!["web".into()];
    e.context.errors_encountered = vec![
        Trouble {
            error_type: "cargo".into(),
            message: "error[E0308]: mismatched types\n --> a.rs".into(),
            resolution: Some("by hand".into()),
            resolved: true,
        },
        Trouble {
            message: "connection refused".into(),
            ..Trouble::default()
        },
    ];
    e.learnings = vec!["Old insight".into()];
    e
}

#[test]
fn what_a_model_says_adds_to_what_the_parser_found_and_deletes_nothing() {
    let before = episode();
    let mut e = before.clone();
    let answer = said(
        r#"{"summary": "Fixed login.", "task_type": "bugfix", "outcome": "failure", "tags": ["auth", "WEB"],
        "errors_resolved": [{"error": "mismatched types", "resolution": "other"},
            {"error": "Connection  refused", "resolution": "started the server"}, {"error": "new", "resolution": "r"}],
        "key_learnings": ["old insight", "New insight"]}"#,
    );
    assert_eq!(apply(&mut e, answer.clone()), 0);
    assert_eq!(e.intent.raw_prompt, "почини вход");
    assert_eq!(e.intent.extracted_intent, "Fixed login.");
    assert_eq!(e.intent.task_type, TaskType::Bugfix);
    assert_eq!(e.outcome.status, EpisodeStatus::Failure);
    assert_eq!(e.intent.domain, ["auth", "web"]);
    let errors = &e.context.errors_encountered;
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[0].resolution.as_deref(), Some("by hand"));
    assert_eq!(errors[1].resolution.as_deref(), Some("started the server"));
    assert!(errors[1].resolved && errors[2].resolved);
    assert_eq!(e.learnings, ["Old insight", "New insight"]);
    // Saying it again changes nothing.
    let once = e.clone();
    apply(&mut e, answer);
    assert_eq!(e, once);

    let mut e = before.clone();
    apply(
        &mut e,
        said("{\"task_type\": \"chore\", \"outcome\": \"great\"}"),
    );
    assert_eq!(e, before);
}

#[test]
fn tests_outweigh_the_models_verdict_and_no_intent_is_lost() {
    let mut e = episode();
    e.outcome.status = EpisodeStatus::Success;
    e.outcome.tests_after = Some(TestCounts {
        passed: 3,
        ..TestCounts::default()
    });
    e.intent.raw_prompt.clear();
    apply(
        &mut e,
        said("{\"summary\": \"S\", \"outcome\": \"failure\"}"),
    );
    assert_eq!(e.outcome.status, EpisodeStatus::Success);
    assert_eq!(e.intent.raw_prompt, "почини вход");
}

#[test]
fn a_secret_that_a_model_repeats_is_cut_again() {
    let mut e = episode();
    let answer = said(
        r#"{"summary": "Set password=hunter2 in the file", "key_learnings": ["api_key: abc123xyz works"]}"#,
    );
    assert_eq!(apply(&mut e, answer), 2);
    assert_eq!(
        e.intent.extracted_intent,
        "Set password=[redacted] in the file"
    );
    assert_eq!(e.learnings[1], "api_key: [redacted] works");
}

#[test]
fn what_is_sent_is_bounded_redacted_and_not_our_own_words() {
    let mut e = episode();
    e.intent.raw_prompt = format!("use password=hunter2 {}", "ж".repeat(50_000));
    e.context.files_modified = vec!["a".repeat(1_000); 500];
    let digest = format!(
        "begin API_TOKEN=abc123xyz <memory>recalled</memory> {} tail secret_key: def456uvw end",
        "🦀 ".repeat(40_000)
    );
    let prompt = prompt_of(&e, &digest);
    assert!(prompt.chars().count() < MAX_DIGEST + 24_000);
    for gone in ["hunter2", "abc123xyz", "def456uvw", "recalled"] {
        assert!(!prompt.contains(gone), "{gone}");
    }
    assert!(
        prompt.contains("begin API_TOKEN=[redacted]")
            && prompt.contains("secret_key: [redacted] end")
    );
    assert!(prompt.contains("[…]"));
}

proptest! {
    #[test]
    fn a_digest_is_never_longer_than_its_bound(text in "\\PC{0,200}", times in 1_usize..400) {
        let digest = digest_of(&text.repeat(times));
        prop_assert!(digest.chars().count() <= MAX_DIGEST);
        prop_assert_eq!(memrl_capture::redact(&digest).1, 0);
    }

    #[test]
    fn no_answer_makes_the_parser_fail(text in "[{}\\[\\]\":,a-z\\\\ ]{0,200}") {
        let _ = parse(&text);
        let thought_aloud = format!("{text}</think>{GOOD}");
        prop_assert!(parse(&thought_aloud).is_some(), "{}", text);
    }
}

#[cfg(feature = "remote")]
mod wire {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use memrl_capture::extract::{
        ApiKey, ExtractConfig, ExtractError, Extracted, Extractor, Provider,
    };
    use serde_json::{Value, json};

    use super::{GOOD, episode, said};

    const KEY: &str = "test-key-0123456789";

    /// A request as the server saw it.
    #[derive(Clone)]
    struct Seen {
        head: String,
        body: Value,
    }

    impl Seen {
        fn header(&self, name: &str) -> Option<&str> {
            self.head.lines().skip(1).find_map(|line| {
                let (n, v) = line.split_once(':')?;
                n.eq_ignore_ascii_case(name).then_some(v.trim())
            })
        }
    }

    /// What the server does with a request.
    enum Reply {
        /// Sends these bytes and hangs up.
        Bytes(Vec<u8>),
        /// Says nothing until the client gives up.
        Silence,
    }

    struct Server {
        url: String,
        seen: Arc<Mutex<Vec<Seen>>>,
    }

    impl Server {
        /// Answers the first request with the first reply, and so on; the last one repeats.
        fn start(replies: Vec<Reply>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let seen = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&seen);
            // Ends with the test's process.
            std::thread::spawn(move || {
                for (n, stream) in listener.incoming().enumerate() {
                    let Ok(mut stream) = stream else { return };
                    let Some(request) = receive(&mut stream) else {
                        continue;
                    };
                    log.lock().unwrap().push(request);
                    match &replies[n.min(replies.len() - 1)] {
                        Reply::Bytes(bytes) => drop(stream.write_all(bytes)),
                        Reply::Silence => drop(stream.read_to_end(&mut Vec::new())),
                    }
                }
            });
            Self { url, seen }
        }

        fn requests(&self) -> Vec<Seen> {
            self.seen.lock().unwrap().clone()
        }
    }

    fn receive(stream: &mut TcpStream) -> Option<Seen> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let seen = Seen {
                    head,
                    body: Value::Null,
                };
                let length: usize = seen.header("content-length")?.parse().ok()?;
                if bytes.len() >= end + 4 + length {
                    let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null);
                    return Some(Seen { body, ..seen });
                }
            }
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
                _ => return None,
            }
        }
    }

    fn http(status: u16, headers: &str, body: &str) -> Reply {
        let length = body.len();
        Reply::Bytes(
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
                .into_bytes(),
        )
    }

    fn messages(text: &str) -> String {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "thinking", "thinking": "{}", "signature": "s"}, {"type": "text", "text": text}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 9}})
        .to_string()
    }

    fn completion(text: &str) -> String {
        json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}})
        .to_string()
    }

    fn extractor(provider: Provider, url: &str) -> Extractor {
        let mut config = ExtractConfig::new(provider);
        url.clone_into(&mut config.url);
        config.model = "small-model".into();
        config.key = Some(ApiKey::new(KEY).unwrap());
        config.timeout = Duration::from_secs(20);
        Extractor::new(config).unwrap()
    }

    /// Asks, and notes the waits.
    fn ask(extractor: &Extractor) -> (Result<Extracted, ExtractError>, Vec<Duration>) {
        let mut waits = Vec::new();
        let answer = extractor.extract(&episode(), "Human: password=hunter2", &mut |d| {
            waits.push(d);
        });
        (answer, waits)
    }

    fn error_of(replies: Vec<Reply>) -> (ExtractError, Vec<Duration>, usize) {
        let server = Server::start(replies);
        let (answer, waits) = ask(&extractor(Provider::Anthropic, &server.url));
        (answer.unwrap_err(), waits, server.requests().len())
    }

    #[test]
    fn anthropics_wire_format_is_spoken() {
        let server = Server::start(vec![http(
            200,
            "",
            &messages(&format!("```json\n{GOOD}\n```")),
        )]);
        let (answer, waits) = ask(&extractor(Provider::Anthropic, &server.url));
        assert_eq!(answer.unwrap(), said(GOOD));
        assert!(waits.is_empty());
        let seen = &server.requests()[0];
        assert!(seen.head.starts_with("POST /v1/messages HTTP/1.1\r\n"));
        assert_eq!(seen.header("x-api-key"), Some(KEY));
        assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.body["model"], "small-model");
        assert!(seen.body["max_tokens"].as_u64().unwrap() > 0);
        assert!(
            seen.body["system"]
                .as_str()
                .unwrap()
                .contains("key_learnings")
        );
        let question = &seen.body["messages"][0];
        assert_eq!(question["role"], "user");
        let text = question["content"].as_str().unwrap();
        assert!(text.contains("почини вход") && text.contains("password=[redacted]"));
        assert!(!seen.body.to_string().contains("hunter2"));
    }

    #[test]
    fn the_openai_wire_format_is_spoken() {
        for (base, path) in [
            ("/v1", "/v1/chat/completions"),
            ("", "/v1/chat/completions"),
            ("/api/v2/", "/api/v2/chat/completions"),
        ] {
            let server = Server::start(vec![http(200, "", &completion(GOOD))]);
            let (answer, _) = ask(&extractor(
                Provider::OpenAi,
                &format!("{}{base}", server.url),
            ));
            assert_eq!(answer.unwrap(), said(GOOD));
            let seen = &server.requests()[0];
            assert!(
                seen.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
                "{}",
                seen.head
            );
            assert_eq!(
                seen.header("authorization"),
                Some(&*format!("Bearer {KEY}"))
            );
            assert_eq!(seen.header("x-api-key"), None);
            assert_eq!(seen.body["model"], "small-model");
            assert_eq!(seen.body["stream"], false);
            assert_eq!(seen.body["messages"][0]["role"], "system");
            assert_eq!(seen.body["messages"][1]["role"], "user");
        }
    }

    #[test]
    fn an_answer_in_several_blocks_is_read_as_one() {
        let (a, b) = GOOD.split_at(40);
        let blocks = json!({"content": [{"type": "text", "text": a}, {"type": "text", "text": b}]});
        let server = Server::start(vec![http(200, "", &blocks.to_string())]);
        assert_eq!(
            ask(&extractor(Provider::Anthropic, &server.url)).0.unwrap(),
            said(GOOD)
        );
        let parts =
            json!({"choices": [{"message": {"content": [{"type": "text", "text": GOOD}]}}]});
        let server = Server::start(vec![http(200, "", &parts.to_string())]);
        assert_eq!(
            ask(&extractor(Provider::OpenAi, &server.url)).0.unwrap(),
            said(GOOD)
        );
    }

    #[test]
    fn a_busy_server_is_asked_once_more_after_its_own_time_but_not_more_than_five_seconds() {
        for (status, header, wait) in [
            (429, "retry-after: 2\r\n", 2),
            (529, "retry-after: 3600\r\n", 5),
            (503, "", 1),
        ] {
            let server = Server::start(vec![
                http(status, header, "{}"),
                http(200, "", &messages(GOOD)),
            ]);
            let (answer, waits) = ask(&extractor(Provider::Anthropic, &server.url));
            assert_eq!(answer.unwrap(), said(GOOD));
            assert_eq!(waits, [Duration::from_secs(wait)]);
            assert_eq!(server.requests().len(), 2);
        }
        let (error, waits, requests) = error_of(vec![http(
            429,
            "retry-after: 0\r\n",
            "{\"error\":{\"message\":\"slow down\"}}",
        )]);
        assert!(
            matches!(error, ExtractError::Refused { status: 429, .. }),
            "{error}"
        );
        assert_eq!((waits.len(), requests), (1, 2));
    }

    #[test]
    fn a_refusal_says_why_without_the_key_or_another_secret() {
        let body = json!({"type": "error", "error": {"type": "authentication_error",
            "message": format!("invalid x-api-key {KEY}; header was \"Authorization: Bearer abc123def456ghi7\"\u{7}")}});
        let (error, waits, requests) = error_of(vec![http(401, "", &body.to_string())]);
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("status 401") && text.contains("invalid x-api-key"),
            "{text}"
        );
        assert!(
            !text.contains(KEY) && !text.contains("abc123def456") && !text.contains('\u{7}'),
            "{text}"
        );
        assert_eq!((waits.len(), requests), (0, 1));
    }

    #[test]
    fn an_error_that_calls_itself_a_success_is_a_refusal() {
        let (error, ..) = error_of(vec![http(
            200,
            "",
            "{\"error\": {\"message\": \"no credit\"}}",
        )]);
        assert!(error.to_string().contains("no credit"), "{error}");
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for body in [
            "",
            "<html>",
            "{\"content\": []}",
            "{\"content\": 7}",
            &messages("I cannot do that."),
            &messages("{\"summary\": "),
        ] {
            let (error, ..) = error_of(vec![http(200, "", body)]);
            assert!(
                matches!(error, ExtractError::NotAnAnswer { .. }),
                "{body}: {error}"
            );
        }
    }

    #[test]
    fn an_endless_answer_is_not_read_to_its_end() {
        let big = format!("{{\"content\": \"{}\"}}", "a".repeat(2 << 20));
        let (error, ..) = error_of(vec![http(200, "", &big)]);
        assert!(matches!(error, ExtractError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_server_that_hangs_up_in_the_middle_is_an_error() {
        let Reply::Bytes(mut bytes) = http(200, "", &messages(GOOD)) else {
            unreachable!()
        };
        bytes.truncate(bytes.len() - 20);
        let (error, ..) = error_of(vec![Reply::Bytes(bytes)]);
        assert!(matches!(error, ExtractError::Network { .. }), "{error}");
        let (error, ..) = error_of(vec![Reply::Bytes(Vec::new())]);
        assert!(matches!(error, ExtractError::Network { .. }), "{error}");
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let server = Server::start(vec![Reply::Silence]);
        let mut config = ExtractConfig::new(Provider::OpenAi);
        config.url.clone_from(&server.url);
        config.timeout = Duration::from_millis(300);
        let (answer, waits) = ask(&Extractor::new(config).unwrap());
        assert!(
            matches!(answer, Err(ExtractError::TimedOut { .. })),
            "{answer:?}"
        );
        assert!(waits.is_empty());
    }

    #[test]
    fn a_redirect_carries_neither_key_nor_session_away() {
        let other = Server::start(vec![http(200, "", &messages(GOOD))]);
        let (error, _, requests) = error_of(vec![http(
            307,
            &format!("location: {}/v1/messages\r\n", other.url),
            "",
        )]);
        assert!(
            matches!(error, ExtractError::Refused { status: 307, .. }),
            "{error}"
        );
        assert_eq!((requests, other.requests().len()), (1, 0));
    }

    #[test]
    fn variables_choose_the_provider_and_arguments_win() {
        let vars = |list: &'static [(&'static str, &'static str)]| {
            move |name: &str| {
                list.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_owned())
            }
        };
        let config = |p, m, list| ExtractConfig::from_vars(p, m, &vars(list));
        assert!(matches!(
            config(None, None, &[]),
            Err(ExtractError::NotConfigured)
        ));
        assert!(matches!(
            config(Some("acme"), None, &[]),
            Err(ExtractError::UnknownProvider(_))
        ));
        assert!(matches!(
            config(Some("openai"), None, &[("ANTHROPIC_API_KEY", "k")]),
            Err(ExtractError::NoKey("OPENAI_API_KEY"))
        ));

        let both: &[_] = &[
            ("ANTHROPIC_API_KEY", "k1"),
            ("OPENAI_API_KEY", "k2"),
            ("MEMRL_EXTRACT_MODEL", "m"),
        ];
        let c = config(None, None, both).unwrap();
        assert_eq!(
            (c.provider, &*c.url, &*c.model),
            (Provider::Anthropic, "https://api.anthropic.com", "m")
        );
        let c = config(Some("OpenAI"), Some("n"), both).unwrap();
        assert_eq!(
            (c.provider, &*c.url, &*c.model),
            (Provider::OpenAi, "https://api.openai.com/v1", "n")
        );
        let local: &[_] = &[
            ("MEMRL_EXTRACT_URL", "http://localhost:11434/v1"),
            ("OPENAI_API_KEY", " "),
        ];
        let c = config(None, None, local).unwrap();
        assert!(c.provider == Provider::OpenAi && c.key.is_none());
        assert!(!format!("{:?}", config(None, None, both).unwrap()).contains("k1"));
    }

    #[test]
    fn sessions_do_not_travel_in_the_clear() {
        let mut config = ExtractConfig::new(Provider::OpenAi);
        config.url = "http://example.org/v1".into();
        assert!(matches!(
            Extractor::new(config),
            Err(ExtractError::BadAddress(_))
        ));
    }
}
