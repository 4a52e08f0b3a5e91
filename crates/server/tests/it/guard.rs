//! Who may talk to the server.

use serde_json::json;

use crate::support::Server;
use memrl_server::TokenOrigin;

const TOKEN: &str = "0123456789abcdef0123";

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let s = Server::with(|o| o.allowed_hosts = vec!["box.lan".into()]);
    for (headers, status) in [
        (&[("host", "localhost:7077")][..], 200),
        (&[("host", "127.0.0.1")], 200),
        (&[("host", "box.lan")], 200),
        (&[("host", "evil.example")], 403),
        (
            &[("host", "localhost"), ("origin", "http://localhost:3000")],
            200,
        ),
        (
            &[("host", "localhost"), ("origin", "https://evil.example")],
            403,
        ),
        (&[("host", "localhost"), ("origin", "null")], 403),
    ] {
        for path in ["/health", "/v1/stats", "/docs", "/redoc"] {
            let a = s.send("GET", path, headers, b"");
            assert_eq!(a.status, status, "{headers:?}");
            if status == 403 {
                assert_eq!(a.json()["code"], "forbidden_host");
            }
        }
    }
    let a = s.send("GET", "/v1/nothing", &[("host", "evil.example")], b"");
    assert_eq!(a.status, 403, "also where there is no route");
}

#[test]
fn loopback_needs_no_token_but_honours_one() {
    let open = Server::start();
    assert_eq!(open.banner.token, TokenOrigin::None);
    assert_eq!(open.get("/v1/stats").status, 200);
    let closed = Server::with(|o| o.token = Some(TOKEN.into()));
    let a = closed.get("/v1/stats");
    assert_eq!(a.expect(401)["code"], "unauthorized");
    assert!(a.headers["www-authenticate"].starts_with("Bearer"));
    let right = format!("Bearer {TOKEN}");
    assert_eq!(
        closed
            .send("GET", "/v1/stats", &[("authorization", &right)], b"")
            .status,
        200
    );
    let wrong = format!("Bearer {TOKEN}x");
    assert_eq!(
        closed
            .send("GET", "/v1/stats", &[("authorization", &wrong)], b"")
            .status,
        401
    );
    assert_eq!(
        closed.get("/v1/nothing").status,
        401,
        "routes are not told to strangers"
    );
    for path in ["/health", "/docs", "/redoc", "/openapi.json"] {
        assert_eq!(
            closed.get(path).status,
            200,
            "{path} says nothing about memories"
        );
    }
    assert_eq!(closed.get("/metrics").status, 401);
    assert!(!closed.banner.example.contains(TOKEN));
}

#[test]
fn elsewhere_a_token_is_made_shown_once_and_asked_for() {
    let s = Server::with(|o| o.host = "0.0.0.0".into());
    let TokenOrigin::Made(path, token) = &s.banner.token else {
        panic!("{:?}", s.banner.token);
    };
    assert!(path.starts_with(s.dir.path()));
    assert_eq!(
        s.banner.example,
        format!(
            "curl -H \"Authorization: Bearer {token}\" {}/v1/stats",
            s.banner.url
        )
    );
    assert_eq!(s.get("/v1/stats").status, 401);
    let auth = format!("Bearer {token}");
    let auth = [
        ("authorization", auth.as_str()),
        ("content-type", "application/json"),
    ];
    assert_eq!(s.send("GET", "/v1/stats", &auth, b"").status, 200);
    // Others can reach it: nobody reads everybody's cells.
    for path in ["/v1/cells/retrieve", "/v1/cells/decide"] {
        let all = json!({"query": "x", "scope": {}}).to_string();
        let a = s.send("POST", path, &auth, all.as_bytes()).expect(422);
        assert_eq!(a["code"], "empty_scope");
        assert_eq!(a["detail"][0]["loc"], json!(["body", "scope"]));
        let one = json!({"query": "x", "scope": {"u": "1"}}).to_string();
        s.send("POST", path, &auth, one.as_bytes()).expect(200);
    }
    let readme = json!({"query": "x", "token_budget": 100}).to_string();
    assert_eq!(
        s.send("POST", "/v1/cells/decide", &auth, readme.as_bytes())
            .expect(422)["code"],
        "empty_scope"
    );
}
