//! Captured from transcripts that are sent.

use serde_json::{Value, json};

use super::*;
use crate::support::{Answer, Server};

/// A session of Claude Code in three lines.
fn session(answer: &str) -> String {
    let line = |value: Value| format!("{value}\n");
    let common = |kind: &str, message: Value, uuid: &str, at: &str| {
        json!({
            "type": kind, "message": message, "uuid": uuid, "parentUuid": null, "isSidechain": false,
            "sessionId": "11111111-2222-4333-8444-555555555555", "cwd": "/home/ann/shop",
            "version": "2.0.0", "timestamp": at,
        })
    };
    let prompt = json!({"role": "user", "content": "Fix the login: the session cookie is stale"});
    let reply = json!({
        "id": "m1", "role": "assistant", "model": "x", "type": "message",
        "content": [{"type": "text", "text": answer}], "usage": {"input_tokens": 5, "output_tokens": 7},
    });
    [
        line(common("user", prompt, "a", "2026-01-02T03:04:05Z")),
        line(common("assistant", reply, "b", "2026-01-02T03:05:05Z")),
    ]
    .concat()
}

fn send(s: &Server, query: &str, body: &[u8]) -> Answer {
    s.send(
        "POST",
        &format!("/v1/episodes/transcript?{query}"),
        &NDJSON,
        body,
    )
}

#[test]
fn a_transcript_becomes_one_episode_however_often_it_is_sent() {
    let s = Server::start();
    let first = session("The cookie is cleared now.");
    let a = send(&s, "project=shop", first.as_bytes()).expect(201);
    let episode = &a["cell"]["payload"];
    assert_eq!(
        episode["intent"]["raw_prompt"],
        "Fix the login: the session cookie is stale"
    );
    assert_eq!(episode["session"]["client"], "claude-code");
    assert_eq!(
        episode["session"]["id"],
        "11111111-2222-4333-8444-555555555555"
    );
    assert_eq!(
        a["cell"]["scope"],
        json!({"project": "shop"}),
        "not the directory of the transcript"
    );

    let same = send(&s, "project=shop&client=claude-code", first.as_bytes()).expect(200);
    assert_eq!((&same["action"], id(&same)), (&json!("unchanged"), id(&a)));

    let longer = format!("{first}{}", session("And tested."));
    let more = send(&s, "project=shop", longer.as_bytes()).expect(200);
    assert_eq!((&more["action"], id(&more)), (&json!("updated"), id(&a)));
    let late = send(&s, "project=shop", first.as_bytes()).expect(200);
    assert_eq!(
        (&late["action"], &late["cell"]),
        (&json!("unchanged"), &more["cell"])
    );
    assert_eq!(late["warnings"].as_array().unwrap().len(), 1);

    // The session that it continues is another one.
    let logout = first.replace("Fix the login", "Fix the logout");
    let other = send(&s, "project=shop&session=another", logout.as_bytes()).expect(201);
    assert_eq!(other["cell"]["payload"]["session"]["id"], "another");
    assert_ne!(id(&other), id(&a));
    assert_eq!(
        s.get("/v1/episodes?project=shop").expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn of_parts_of_a_session_sent_at_once_the_longest_accepted_stays() {
    let s = Server::start();
    let parts: Vec<String> = (1..=8)
        .map(|n| (0..n).map(|i| session(&format!("Step {i}."))).collect())
        .collect();
    let accepted = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for part in &parts {
            scope.spawn(|| {
                let a = send(&s, "project=shop", part.as_bytes());
                if a.status == 409 {
                    // Whoever lost too often is told so, and sends again.
                    refused(&a, 409, "conflict");
                } else {
                    assert!(matches!(a.status, 200 | 201), "{}", a.text());
                    accepted.lock().unwrap().push(part.len());
                }
            });
        }
    });
    let longest = accepted.into_inner().unwrap().into_iter().max();
    let page = s.get("/v1/episodes").expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let cell = &page["items"][0]["cell"];
    assert_eq!(
        cell["payload"]["session"]["offset"].as_u64(),
        longest.map(|n| n as u64)
    );
    let late = send(&s, "project=shop", parts[0].as_bytes()).expect(200);
    assert_eq!(&late["cell"], cell);
    // Where the parser stands is nothing that a reader of the episode needs.
    for id in ["last", cell["cell_id"].as_str().unwrap()] {
        let one = s.get(&format!("/v1/episodes/{id}")).expect(200);
        let session = one["cell"]["payload"]["session"].as_object().unwrap();
        let keys: Vec<&str> = session.keys().map(String::as_str).collect();
        assert!(
            keys.contains(&"client") && keys.contains(&"counts"),
            "{keys:?}"
        );
        for inner in ["parser", "offset", "head", "pending", "reading"] {
            assert!(!keys.contains(&inner), "{id}: {inner}");
        }
    }
}

#[test]
fn a_line_that_was_cut_off_is_read_when_it_is_whole() {
    let s = Server::start();
    let whole = session("The cookie is cleared now.");
    let (cut, _) = whole.split_at(whole.len() - 40);
    let a = send(&s, "project=shop", cut.as_bytes()).expect(201);
    assert_eq!(
        a["cell"]["payload"]["session"]["counts"]["unknown_lines"],
        0
    );
    assert_eq!(a["cell"]["payload"]["session"]["counts"]["answers"], 0);
    let b = send(&s, "project=shop", whole.trim_end().as_bytes()).expect(200);
    assert_eq!(b["cell"]["payload"]["session"]["counts"]["answers"], 1);
    assert_eq!(id(&a), id(&b));
}

#[test]
fn plain_turns_are_a_transcript_too() {
    let s = Server::start();
    let text = "Human: Почини вход\n\nAssistant: Готово, куки очищены.";
    let path = "/v1/episodes/transcript?project=shop&client=text";
    let a = s.send(
        "POST",
        path,
        &[("content-type", "text/plain; charset=utf-8")],
        text.as_bytes(),
    );
    assert_eq!(
        a.expect(201)["cell"]["payload"]["intent"]["raw_prompt"],
        "Почини вход"
    );
    let again = s.send(
        "POST",
        path,
        &[("content-type", "text/plain")],
        text.as_bytes(),
    );
    assert_eq!(again.expect(200)["action"], "unchanged");
}

#[test]
fn what_is_no_transcript_is_refused() {
    let s = Server::start();
    for body in [
        &b""[..],
        b"\n\n",
        b"{}",
        b"[1, 2]\n{\"a\": 1}\n",
        b"\xff\xfe\x00",
    ] {
        refused(&send(&s, "project=shop", body), 422, "not_a_transcript");
    }
    let good = session("Done.");
    for query in [
        "",
        "project=",
        "project=../x",
        "project=shop&client=emacs",
        "project=shop&session=",
        "project=shop&sesion=x",
    ] {
        refused(&send(&s, query, good.as_bytes()), 422, "invalid_input");
    }
    for media in [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let path = "/v1/episodes/transcript?project=shop";
        let a = s.send("POST", path, &[("content-type", media)], good.as_bytes());
        refused(&a, 415, "unsupported_media_type");
    }
    assert_eq!(s.get("/v1/episodes").expect(200)["items"], json!([]));
}

#[test]
fn a_transcript_beyond_sixteen_megabytes_is_refused() {
    let s = Server::start();
    let body = vec![b'\n'; (16 << 20) + 1];
    refused(&send(&s, "project=shop", &body), 413, "body_too_large");
    assert_eq!(s.get("/health").status, 200);
}

#[test]
fn a_forgotten_session_does_not_come_back() {
    let s = Server::start();
    let text = session("Done.");
    let a = send(&s, "project=shop", text.as_bytes()).expect(201);
    s.send("DELETE", &format!("/v1/cells/{}", id(&a)), &[], b"")
        .expect(200);
    refused(
        &send(&s, "project=shop", text.as_bytes()),
        409,
        "wrong_status",
    );
    refused(
        &s.get(&format!("/v1/episodes/{}", id(&a))),
        404,
        "cell_not_found",
    );
}
