//! What a session is told and what is heard from it.

use memrl::*;

use super::*;

fn tell(bed: &Bed, prompt: Option<&str>) -> SessionContext {
    let request = SessionRequest {
        project: shop(),
        session: "session-1".into(),
        prompt: prompt.map(str::to_owned),
        max_bytes: 8000,
        afresh: false,
    };
    bed.memory.session_context(&request).unwrap()
}

#[test]
fn a_session_is_told_what_is_new_to_it_and_no_more_than_fits() {
    let bed = bed();
    rivals(&bed);
    for i in 0..60 {
        let long = "Ж登😀".repeat(100);
        capture(&bed.memory, &format!("login redirect case {i}: {long}"));
    }
    let first = tell(&bed, Some(LOGIN));
    assert!(
        first.cells > 0 && first.block.len() < 8000,
        "{}",
        first.block.len()
    );
    assert!(
        first
            .block
            .contains(&first.decision_id.unwrap().to_string())
    );
    let second = tell(&bed, Some(LOGIN));
    let lines = |block: &str| -> Vec<String> { citations(block) };
    let seen = lines(&first.block);
    assert!(lines(&second.block).iter().all(|id| !seen.contains(id)));
    let compacted = SessionRequest {
        project: shop(),
        session: "session-1".into(),
        prompt: Some(LOGIN.to_owned()),
        max_bytes: 8000,
        afresh: true,
    };
    let third = bed.memory.session_context(&compacted).unwrap();
    assert_eq!(lines(&third.block), seen, "its context was compacted");
    assert!(
        tell(&bed, Some("what is the capital of Portugal?"))
            .block
            .is_empty()
    );
}

#[test]
fn an_answer_that_cites_and_a_tool_that_fails_are_heard() {
    let bed = bed();
    rivals(&bed);
    let told = tell(&bed, Some(LOGIN));
    let id = citations(&told.block).remove(0);
    let answer = SessionSignal::Answer {
        text: format!("As in [m:{id}], I cleared the cookie."),
    };
    bed.memory.session_signal("session-1", &answer).unwrap();
    for call in ["toolu_1", "toolu_2", "toolu_2"] {
        let failed = SessionSignal::ToolFailure {
            tool: "Bash".into(),
            call: call.into(),
            interrupted: false,
        };
        bed.memory.session_signal("session-1", &failed).unwrap();
    }
    let why = bed
        .memory
        .why(&told.decision_id.unwrap().to_string())
        .unwrap();
    let heard = why.outcome.unwrap().outcome;
    assert_eq!(heard.cited.len(), 1);
    assert_eq!(heard.metrics.get("tool_failures.Bash"), Some(&2.0));
    bed.memory.session_signal("nobody", &answer).unwrap();
}
