//! Pruning and consolidation, and their undoing.

use memrl::*;

use super::*;

pub fn old(min_utility: f64, execute: bool) -> PruneRequest {
    PruneRequest {
        older_than_days: 90.0,
        min_utility,
        project: None,
        types: Vec::new(),
        execute,
    }
}

#[test]
fn pruned_is_old_and_worth_little_and_can_be_undone_for_thirty_days() {
    let bed = bed();
    let (bad, good) = rivals(&bed);
    for _ in 0..3 {
        bed.memory.judge(&verdict(&bad, 0.0)).unwrap();
        bed.memory.judge(&verdict(&good, 1.0)).unwrap();
        order(&bed, LOGIN);
    }
    assert!(
        bed.memory.prune(&old(0.48, true)).unwrap().rows.is_empty(),
        "young"
    );
    bed.clock.advance_days(100.0);
    let dry = bed.memory.prune(&old(0.48, false)).unwrap();
    assert_eq!(dry.rows.len(), 1);
    assert_eq!(order(&bed, LOGIN).len(), 2, "nothing happened yet");
    bed.clock.advance_days(100.0);
    let done = bed.memory.prune(&old(0.49, true)).unwrap();
    assert_eq!(done.rows[0].cell.cell_id.to_string(), bad);
    assert_eq!(order(&bed, LOGIN), std::slice::from_ref(&good));
    let back = bed.memory.undo_prune("last").unwrap();
    assert_eq!(back.restored.len(), 1);
    assert_eq!(order(&bed, LOGIN).len(), 2);
    assert!(
        bed.memory.undo_prune("last").unwrap().restored.is_empty(),
        "once"
    );

    bed.clock.advance_days(100.0);
    bed.memory.prune(&old(0.5, true)).unwrap();
    bed.clock.advance_days(29.0);
    bed.memory.maintain().unwrap();
    assert_eq!(bed.memory.get(&bad).unwrap().status, CellStatus::Expired);
    bed.clock.advance_days(2.0);
    bed.memory.maintain().unwrap();
    assert_eq!(bed.memory.get(&bad).unwrap().status, CellStatus::Deleted);
    assert!(bed.memory.undo_prune("last").unwrap().restored.is_empty());
}

#[test]
fn consolidation_keeps_every_text() {
    let bed = bed();
    let text = "make the nightly backup job retry when the network share is unavailable";
    let one = capture(&bed.memory, text);
    let two = capture(&bed.memory, &format!("{text} now"));
    let found = bed
        .memory
        .review(Some(&shop()), ReviewAction::Analyze)
        .unwrap();
    assert_eq!(found.duplicates.len(), 1, "{found:?}");
    let done = bed
        .memory
        .review(Some(&shop()), ReviewAction::Consolidate)
        .unwrap();
    assert_eq!(order(&bed, text).len(), 1);
    for id in [&one, &two] {
        assert!(
            bed.memory
                .get(id)
                .unwrap()
                .content
                .contains("network share")
        );
    }
    let id = done.decision_id.unwrap().to_string();
    assert_eq!(bed.memory.undo_prune(&id).unwrap().restored.len(), 1);
    assert_eq!(order(&bed, text).len(), 2);
}
