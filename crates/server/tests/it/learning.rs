//! The learning loop over HTTP: train, watch the job, evaluate, roles, files, impact; and what is refused.
//!
//! The world: for each topic one procedure that helps and two facts that do not. It is made through the library, which is faster.

use std::time::{Duration, Instant};

use memrl::{
    CellId, CellType, Clearance, Config, NewCell, Outcome, RecallRequest, Scope, Sensitivity,
};
use serde_json::{Value, json};

use crate::schema::conforms;
use crate::support::Server;

const TOPICS: [&str; 6] = ["billing", "deploy", "login", "search", "upload", "backup"];

struct World {
    s: Server,
    helpful: Vec<CellId>,
    /// The only one above the default clearance.
    private: CellId,
    state: u64,
}

impl World {
    fn new() -> Self {
        let mut config = Config::default();
        config.explore.sampled_share = 0.6;
        config.explore.temperature = 0.3;
        config.explore.epsilon = 0.2;
        config.explore.none_share = 0.1;
        let s = Server::with_config(config, |_| {});
        let mut cells = Vec::new();
        for topic in TOPICS {
            for (word, kind) in [
                ("steps", CellType::Procedure),
                ("notes", CellType::Fact),
                ("story", CellType::Fact),
            ] {
                let text = format!("{word} about the {topic} trouble of the {topic} service");
                cells.push(NewCell::new(kind, Scope::of("user", "ann"), text));
            }
        }
        cells[0].sensitivity = Sensitivity::High;
        let written = s.memory.write_batch(cells).unwrap();
        let helpful: Vec<CellId> = written.iter().step_by(3).map(|w| w.cell.cell_id).collect();
        Self {
            s,
            private: helpful[0],
            helpful,
            state: 5,
        }
    }

    /// Uniform in [0, 1): splitmix64.
    fn chance(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Tasks, each a trajectory of its own, with their outcomes.
    fn tasks(&mut self, n: usize) -> &Server {
        for i in 0..n {
            let topic = i % TOPICS.len();
            let query = format!("{} trouble", TOPICS[topic]);
            let mut request = RecallRequest::new(query, Scope::of("user", "ann"));
            request.trajectory = Some(format!("t{i}"));
            request.max_cells = Some(2);
            request.limit = Some(8);
            request.clearance = Some(Clearance(Sensitivity::High));
            let recall = self.s.memory.recall(&request).unwrap();
            let shown = recall.selected.iter();
            let helped = shown.clone().any(|r| r.cell.cell_id == self.helpful[topic]);
            let success = self.chance() < if helped { 0.9 } else { 0.2 };
            let outcome = Outcome {
                success: Some(f64::from(u8::from(success))),
                ..Outcome::default()
            };
            self.s
                .memory
                .feedback(recall.decision_id, &outcome)
                .unwrap();
        }
        &self.s
    }
}

/// The job, once it has ended.
fn ended(s: &Server, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["job"]);
    let started = Instant::now();
    loop {
        let now = s.get(&path).expect(200);
        let status = now["status"].as_str().unwrap();
        if !["running", "stopping"].contains(&status) {
            return now;
        }
        assert!(started.elapsed() < Duration::from_mins(5), "{now}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until an unfinished training has something to go on from.
fn checkpointed(s: &Server, name: &str) {
    let path = s.dir.path().join(format!("training/{name}.checkpoint"));
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_mins(5));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A training that takes some seconds.
fn slow_training() -> Value {
    json!({"algo": "bc", "name": "slow", "config": {"hidden": 256, "epochs": 60}})
}

#[test]
fn from_the_log_to_a_policy_in_charge_and_back() {
    let mut world = World::new();
    let s = world.tasks(150);
    let answer = s.post("/v1/train", &json!({"algo": "credit"}));
    let job = answer.expect(202);
    assert_eq!(answer.headers["location"], "/v1/jobs/1");
    assert_eq!((&job["job"], &job["kind"]), (&json!(1), &json!("train")));
    let done = ended(s, &job);
    assert_eq!(done["status"], "done", "{done}");
    // It stops when it gets no better.
    let step = done["progress"]["step"].as_u64().unwrap();
    assert!(0 < step && step <= done["progress"]["total"].as_u64().unwrap());
    assert!(done["progress"]["loss"].as_f64().unwrap() > 0.0);
    assert_eq!(done["result"]["policy"], "credit@1");
    assert!(done["result"]["kept"].as_u64().unwrap() > 20);
    assert_eq!(s.get("/v1/jobs").expect(200)["jobs"][0], done);
    conforms(&done, "Job");

    let view = s.get("/v1/policies/credit").expect(200);
    assert_eq!(view["card"]["counts"], done["result"]["counts"]);
    assert!(view["weights"].as_array().unwrap().len() > 20);
    conforms(&view, "PolicyView");
    let report = s
        .post("/v1/evaluate", &json!({"policy": "similarity"}))
        .expect(200);
    assert_eq!(report["policy"], "similarity@1");
    conforms(&report, "Evaluation");
    // What is done anyway can be told from every trajectory.
    assert_eq!(report["report"]["trajectories"], 150);
    assert!(!report["report"]["sentence"].as_str().unwrap().is_empty());

    let force = json!({"policy": "credit", "force": "an experiment"});
    let refused = s.post("/v1/policies/promote", &json!({"policy": "credit"}));
    assert_eq!(refused.expect(409)["code"], "not_proven");
    let step = s.post("/v1/policies/canary", &force).expect(200);
    assert_eq!(step["roles"]["canary"]["policy"], "credit@1");
    assert_eq!(step["roles"]["canary"]["forced"], "an experiment");
    let says = step["log_says"]["sentence"].as_str().unwrap();
    assert!(!says.is_empty());
    assert_eq!(step["in_charge"], json!(["similarity@1", "utility@2"]));
    conforms(&step, "PolicyStep");
    let look = s.post("/v1/policies/check", &json!({})).expect(200);
    assert_eq!(look["canary"]["summary"]["verdict"]["verdict"], "continue");
    conforms(&look, "PolicyCheck");
    let step = s.post("/v1/policies/stop", &json!({"reason": "a test"}));
    assert_eq!(step.expect(200)["roles"]["canary"], Value::Null);
    s.post("/v1/policies/promote", &force).expect(200);
    let used = s.send("DELETE", "/v1/policies/credit", &[], b"");
    assert_eq!(used.expect(409)["code"], "conflict");
    let all = s.get("/v1/policies").expect(200);
    assert_eq!(all["roles"]["incumbent"], "credit@1");
    assert_eq!(all["in_charge"], json!(["credit@1"]));
    conforms(&all, "Policies");
    let learned = all["policies"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&learned["id"], &learned["version"], &learned["algo"]),
        (&json!("credit"), &json!(1), &json!("credit"))
    );
    assert_eq!(learned["roles"], json!(["incumbent"]));
    assert_eq!(
        (&learned["decides"], &learned["forced"]),
        (&json!(true), &json!("an experiment"))
    );
    let step = s.post("/v1/policies/rollback", &json!({})).expect(200);
    assert_eq!(step["roles"]["incumbent"], Value::Null);
    assert_eq!(step["roles"]["forced"], Value::Null);
    let told = step["summary"].as_str().unwrap();
    assert!(
        told.starts_with("similarity@1 (in sessions utility@2) decides again"),
        "{told}"
    );
    let step = s.post("/v1/policies/shadow", &json!({"policy": "credit"}));
    assert_eq!(step.expect(200)["roles"]["shadow"], "credit@1");
    in_shadow_mode(s);
    let step = s.post("/v1/policies/shadow", &json!({"policy": null}));
    assert_eq!(step.expect(200)["action"], "stop_shadow");

    files_travel(s);
}

/// `credit` watches two decisions, and what it would have shown is told.
fn in_shadow_mode(s: &Server) {
    let report = |query: &str| s.get(&format!("/v1/policies/shadow{query}")).expect(200);
    assert_eq!(report("")["items"], json!([]));
    let query = json!({
        "query": "billing trouble", "scope": {"user": "ann"}, "clearance": "high", "explore": false,
    });
    for _ in 0..2 {
        s.post("/v1/recall", &query).expect(200);
    }
    let told = report("");
    conforms(&told, "ShadowReport");
    let [row] = told["items"].as_array().unwrap().as_slice() else {
        panic!("{told}");
    };
    assert_eq!(
        (&row["policy"], &row["decisions"]),
        (&json!("credit@1"), &json!(2))
    );
    assert!(row["tokens"][1].as_f64().unwrap() > 0.0, "{row}");
    assert_eq!(report("?limit=1")["items"][0]["decisions"], 1);
    assert_eq!(report("?before=2020-01-01")["items"], json!([]));
    let refused = s.get("/v1/policies/shadow?policy=credit").expect(422);
    assert_eq!(refused["code"], "invalid_input");
}

/// Export, import, delete, and what is no policy.
fn files_travel(s: &Server) {
    let octets = [("content-type", "application/octet-stream")];
    let import = |bytes: &[u8]| s.send("POST", "/v1/policies/import?name=copy", &octets, bytes);
    let file = s.get("/v1/policies/credit@1/file");
    assert_eq!(file.status, 200);
    assert_eq!(file.headers["content-type"], "application/octet-stream");
    let taken = import(&file.body).expect(201);
    assert_eq!(taken["policy"], "copy@1");
    let two = json!({"a": "credit", "b": "copy", "limit": 20});
    let diff = s.post("/v1/policies/diff", &two).expect(200);
    assert_eq!(
        (&diff["decisions"], &diff["same_slate"], &diff["weights"]),
        (&json!(20), &json!(1.0), &json!([]))
    );
    conforms(&diff, "PolicyDiff");
    let mut damaged = file.body.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x40;
    for bytes in [&damaged[..], &file.body[..100], b"", b"{}"] {
        assert_eq!(import(bytes).expect(422)["code"], "bad_policy_file");
    }
    let bad_name = s.send(
        "POST",
        "/v1/policies/import?name=..%2Fx",
        &octets,
        &file.body,
    );
    assert_eq!(bad_name.expect(422)["code"], "invalid_input");
    let text = [("content-type", "application/json")];
    let as_json = s.send("POST", "/v1/policies/import", &text, &file.body);
    assert_eq!(as_json.expect(415)["code"], "unsupported_media_type");
    s.send("DELETE", "/v1/policies/copy", &[], b"").expect(200);
    for path in ["/v1/policies/copy", "/v1/policies/copy/file"] {
        assert_eq!(s.get(path).expect(404)["code"], "policy_not_found");
    }
}

#[test]
fn a_cancelled_training_goes_on_where_it_was() {
    let mut world = World::new();
    let s = world.tasks(60);
    let job = s.post("/v1/train", &slow_training()).expect(202);
    checkpointed(s, "slow");
    let second = s.post("/v1/train", &json!({})).expect(409);
    assert_eq!(
        (&second["code"], &second["job"]),
        (&json!("conflict"), &json!(1))
    );
    let hint = second["hint"].as_str().unwrap();
    assert!(hint.contains("DELETE /v1/jobs/1"), "{hint}");
    let told = s.send("DELETE", "/v1/jobs/1", &[], b"").expect(200);
    assert_eq!(told["job"], 1);
    let stopped = ended(s, &job);
    assert_eq!(stopped["status"], "cancelled", "{stopped}");
    assert!(stopped["progress"]["step"].as_u64() < stopped["progress"]["total"].as_u64());
    assert_eq!(
        s.get("/v1/policies/slow").expect(404)["code"],
        "policy_not_found"
    );
    let mut again = slow_training();
    again["resume"] = json!(true);
    let job = s.post("/v1/train", &again).expect(202);
    let done = ended(s, &job);
    assert_eq!(done["status"], "done", "{done}");
    assert_eq!(
        (&done["job"], &done["result"]["resumed"]),
        (&json!(2), &json!(true))
    );
    let jobs = s.get("/v1/jobs").expect(200);
    assert_eq!((&jobs["jobs"][0], &jobs["jobs"][1]), (&done, &stopped));
}

#[test]
fn a_server_that_stops_stops_its_training_and_keeps_the_checkpoint() {
    let mut world = World::new();
    world.tasks(60);
    let mut endless = slow_training();
    endless["config"]["epochs"] = json!(10_000);
    world.s.post("/v1/train", &endless).expect(202);
    checkpointed(&world.s, "slow");
    world.s.join().unwrap();
    assert!(world.s.dir.path().join("training/slow.checkpoint").exists());
    let policies = world.s.memory.policies().unwrap();
    assert!(policies.iter().all(|p| p.algo == "built_in"));
}

#[test]
fn what_the_log_cannot_tell_is_refused_with_a_code() {
    let mut world = World::new();
    let s = world.tasks(3);
    let job = s.post("/v1/train", &json!({})).expect(202);
    let failed = ended(s, &job);
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["code"], "too_little_data");
    let why = failed["error"]["detail"].as_str().unwrap();
    assert!(why.contains("trajectories"), "{why}");
    let later = json!({"log": {"from": "2100-01-01"}});
    let refused = s.post("/v1/replay", &later).expect(409);
    assert_eq!(refused["code"], "too_little_data");
    conforms(&failed, "Job");
    let refused = s.post("/v1/evaluate", &json!({"policy": "utility"}));
    assert_eq!(refused.expect(409)["code"], "too_little_data");
    let stop = s.post("/v1/policies/stop", &json!({}));
    assert_eq!(stop.expect(409)["code"], "conflict");
    let gone = s.get("/v1/jobs/99").expect(404);
    assert_eq!(gone["code"], "job_not_found");
    let gone = s.send("DELETE", "/v1/jobs/nonsense", &[], b"").expect(404);
    assert_eq!(gone["code"], "job_not_found");
    for (path, body) in [
        ("/v1/evaluate", json!({"policy": "nobody"})),
        ("/v1/policies/canary", json!({"policy": "nobody"})),
        ("/v1/replay", json!({"policy": "nobody"})),
    ] {
        assert_eq!(s.post(path, &body).expect(404)["code"], "policy_not_found");
    }
}

#[test]
fn misspelt_fields_and_files_of_the_machine_are_refused() {
    let s = Server::start();
    for (path, body, field) in [
        ("/v1/train", json!({"alog": "bc"}), "alog"),
        ("/v1/train", json!({"algo": "magic"}), "algo"),
        ("/v1/train", json!({"log": {"form": null}}), "log.form"),
        ("/v1/train", json!({"config": {"epoch": 3}}), "config.epoch"),
        (
            "/v1/train",
            json!({"config": {"epochs": 20_000}}),
            "config.epochs",
        ),
        (
            "/v1/train",
            json!({"config": {"epochs": 0}}),
            "config.epochs",
        ),
        (
            "/v1/train",
            json!({"config": {"learning_rate": -0.1}}),
            "config.learning_rate",
        ),
        (
            "/v1/train",
            json!({"config": {"validation": 0.9}}),
            "config.validation",
        ),
        ("/v1/train", json!({"keep": 1.5}), "keep"),
        ("/v1/train", json!({"name": "Mine!"}), "name"),
        ("/v1/train", json!({"name": "similarity"}), "name"),
        ("/v1/train", json!({"spec": "memcell_v1"}), "spec"),
        ("/v1/evaluate", json!({}), "policy"),
        (
            "/v1/evaluate",
            json!({"policy": "utility", "temperature": 0.0}),
            "temperature",
        ),
        (
            "/v1/evaluate",
            json!({"policy": "utility", "slates": 0}),
            "slates",
        ),
        (
            "/v1/evaluate",
            json!({"policy": "utility", "slates": 9999}),
            "slates",
        ),
        ("/v1/replay", json!({"show": -1}), "show"),
        ("/v1/reward/check", json!({"specs": "x"}), "specs"),
        ("/v1/impact", json!({"of": "everything"}), "of"),
        ("/v1/impact", json!({"of": "cell", "by": "type"}), "by"),
        ("/v1/impact", json!({"clearance": "boss"}), "clearance"),
        ("/v1/impact/trial", json!({}), ""),
        ("/v1/policies/shadow", json!({}), "policy"),
        (
            "/v1/policies/canary",
            json!({"policy": "utility", "share": 0.9}),
            "share",
        ),
        (
            "/v1/policies/promote",
            json!({"policy": "utility", "force": " "}),
            "force",
        ),
        ("/v1/policies/stop", json!({"why": "x"}), "why"),
        ("/v1/policies/check", json!({"now": true}), "now"),
        (
            "/v1/policies/diff",
            json!({"a": "none", "b": "none", "limit": 0}),
            "limit",
        ),
    ] {
        let refused = s.post(path, &body).expect(422);
        assert_eq!(refused["code"], "invalid_input", "{path} {refused}");
        assert_eq!(refused["field"], field, "{path} {refused}");
    }
    let jobs = s.get("/v1/jobs").expect(200);
    assert_eq!(jobs["jobs"], json!([]), "what cannot work is no job");
    for path in [
        "/v1/jobs",
        "/v1/jobs/1",
        "/v1/policies/none",
        "/v1/impact/trial",
    ] {
        let refused = s.get(&format!("{path}?now=1")).expect(422);
        assert_eq!(refused["code"], "invalid_input", "{path}");
    }
    for spec in ["/etc/passwd", "../x.toml", "nonsense"] {
        for (path, body) in [
            ("/v1/train", json!({"spec": spec})),
            ("/v1/evaluate", json!({"policy": "utility", "spec": spec})),
            ("/v1/reward/check", json!({"spec": spec})),
            ("/v1/reward/check", json!({"against": [spec]})),
        ] {
            let refused = s.post(path, &body).expect(404);
            assert_eq!(refused["code"], "reward_spec_not_found");
        }
    }
    assert_eq!(s.get("/v1/jobs").expect(200)["jobs"], json!([]));
}

#[test]
fn the_log_answers_questions_and_keeps_what_is_private() {
    let mut world = World::new();
    let private = world.private.to_string();
    let s = world.tasks(90);
    let same = s.post("/v1/replay", &json!({})).expect(200);
    assert_eq!(same["report"]["decisions"], 90);
    assert_eq!(
        (&same["report"]["same"], &same["differ"]),
        (&json!(90), &json!([]))
    );
    let other = json!({"policy": "none", "show": 3});
    let other = s.post("/v1/replay", &other).expect(200);
    assert_eq!(other["differ"].as_array().unwrap().len(), 3);
    conforms(&other, "Replay");
    assert!(other["report"]["removed"].as_f64().unwrap() > 0.5);
    let check = s.post("/v1/reward/check", &json!({})).expect(200);
    assert_eq!(check["check"]["decisions"], 90);
    assert_eq!(check["check"]["spec"], "bounded_v1");
    conforms(&check, "RewardCheck");

    let impact = |body: Value| s.post("/v1/impact", &body).expect(200);
    let asked = impact(json!({}));
    conforms(&asked, "ImpactOfCells");
    let cells = asked["report"]["cells"].as_array().unwrap();
    assert!(cells.iter().any(|c| c["cell"] == private.as_str()));
    let contents = asked["contents"].as_object().unwrap();
    assert!(!contents.is_empty() && !contents.contains_key(&private));
    let cleared = impact(json!({"clearance": "high"}));
    assert_eq!(
        cleared["contents"][&private],
        "steps about the billing trouble of the billing service"
    );
    let memory = impact(json!({"of": "memory", "clearance": "low"}));
    conforms(&memory, "ImpactOfMemory");
    assert!(memory["report"]["without"].as_u64().unwrap() > 0);
    let types = impact(json!({"of": "type"}));
    assert_eq!(types, impact(json!({"by": "type"})), "one name for both");
    conforms(&types, "ImpactOfGroups");
    assert_eq!(
        (&types["of"], &types["by"]),
        (&json!("group"), &json!("type"))
    );

    assert_eq!(s.get("/v1/impact/trial").expect(200)["trial"], Value::Null);
    let wanted = json!({"cell": private});
    let trial = s.post("/v1/impact/trial", &wanted).expect(201);
    assert_eq!(trial["trial"]["trial"]["withhold"], 0.4);
    conforms(&trial, "TrialState");
    assert_eq!(
        s.post("/v1/impact/trial", &wanted).expect(409)["code"],
        "conflict"
    );
    let now = s.get("/v1/impact/trial").expect(200);
    assert_eq!(now["trial"]["report"]["verdict"], "running");
    let end = s.send("DELETE", "/v1/impact/trial", &[], b"").expect(200);
    assert_eq!(end["trial"]["over"], true);
    let end = s.send("DELETE", "/v1/impact/trial", &[], b"").expect(409);
    assert_eq!(end["code"], "conflict");
}

/// The bodies that the document promises are those that the engine takes.
#[test]
fn requests_have_the_fields_of_the_engine() {
    let document = memrl_server::openapi();
    let listed = |schema: &str, besides: &[&str]| {
        let properties = &document["components"]["schemas"][schema]["properties"];
        let names = properties.as_object().unwrap().keys();
        let mut names: Vec<String> = names
            .filter(|n| !besides.contains(&n.as_str()))
            .cloned()
            .collect();
        names.sort();
        names
    };
    let taken = |request: Value| {
        let mut names: Vec<String> = request.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    for (schema, besides, request) in [
        ("LogQuery", &[][..], json!(memrl::LogQuery::default())),
        ("TrainRequest", &[], json!(memrl::TrainRequest::default())),
        ("TrainConfig", &[], json!(memrl::Algo::Credit.config())),
        (
            "EvaluateRequest",
            &[],
            json!(memrl::EvaluateRequest::default()),
        ),
        (
            "ReplayRequest",
            &["show"],
            json!(memrl::ReplayRequest::default()),
        ),
        (
            "RewardCheckRequest",
            &[],
            json!(memrl::RewardCheckRequest::default()),
        ),
        (
            "ImpactRequest",
            &["clearance", "by"],
            json!(memrl::ImpactRequest::default()),
        ),
    ] {
        assert_eq!(listed(schema, besides), taken(request), "{schema}");
    }
    let trainers: Vec<&str> = memrl::Algo::ALL.iter().map(|a| a.as_str()).collect();
    let names = &document["components"]["schemas"]["TrainerName"]["enum"];
    assert_eq!(names, &json!(trainers));
}
