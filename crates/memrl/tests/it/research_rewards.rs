//! The rewards in exports for other programs.

use memrl::{Clearance, DatasetQuery, Outcome, RecallRequest, ResearchFormat};
use serde_json::Value;

use crate::research::{all, exploring, export, records};
use crate::support::{ask, bed_with, fact};

#[test]
fn a_slow_success_is_no_failure_in_what_is_exported_to_learn_from() {
    let b = bed_with(exploring());
    b.memory.write(fact("Ann drinks coffee.")).unwrap();
    for t in 0..10 {
        let request = RecallRequest {
            trajectory: Some(format!("session-{t}")),
            task_type: "serving".into(),
            ..ask("what does Ann drink?")
        };
        let id = b.memory.recall(&request).unwrap().decision_id;
        let slow = Outcome {
            success: Some(f64::from(u8::from(t % 2 == 0))),
            latency_ms: Some(if t % 2 == 0 { 20_000 } else { 10 }),
            ..Outcome::default()
        };
        b.memory.feedback(id, &slow).unwrap();
    }
    let by_id = |query: &DatasetQuery| -> Vec<(String, bool)> {
        let report = &export(&b, ResearchFormat::TrlKto, query)[0];
        let of = |r: &Value| (r["decision_id"].to_string(), r["label"] == true);
        records(report).iter().map(of).collect()
    };
    let report = &all(&b, ResearchFormat::TrlKto)[0];
    assert_eq!((report.reward.as_str(), report.rows), ("bounded_v1", 10));
    let own = by_id(&DatasetQuery::default());
    let other = by_id(&DatasetQuery {
        spec: Some("memcell_v1".to_owned()),
        ..DatasetQuery::default()
    });
    assert_eq!(own.len(), other.len());
    for ((id, good), (same, bad)) in own.iter().zip(&other) {
        assert_eq!(id, same);
        assert_ne!(
            good, bad,
            "under memcell_v1 twenty seconds outweigh success"
        );
    }
    let unknown = DatasetQuery {
        spec: Some("nope".to_owned()),
        ..DatasetQuery::default()
    };
    let dir = b.dir.path().join("unknown");
    let refused = b.memory.export_research(
        &dir,
        ResearchFormat::TrlKto,
        &unknown,
        Clearance::ALL,
        &mut |_| {},
    );
    assert_eq!(refused.unwrap_err().code(), memrl::Code::RewardSpecNotFound);
}
