//! What is kept apart.

use memrl_learn::train::split::{coin, fold, kept_apart};

#[test]
fn a_share_of_the_trajectories_is_kept_apart_and_folds_are_about_equal() {
    let names: Vec<String> = (0..10_000).map(|k| format!("session-{k}")).collect();
    let apart = names.iter().filter(|n| kept_apart(7, n, 0.2)).count();
    assert!((1_850..2_150).contains(&apart), "{apart}");
    let mut folds = [0; 5];
    for name in &names {
        folds[fold(7, name, 5)] += 1;
    }
    assert!(
        folds.iter().all(|n| (1_850..2_150).contains(n)),
        "{folds:?}"
    );
}

#[test]
fn the_side_of_a_trajectory_depends_on_its_name_and_the_seed_alone() {
    assert_eq!(coin(7, "a"), coin(7, "a"));
    assert_ne!(coin(7, "a"), coin(8, "a"));
    assert_ne!(coin(7, "a"), coin(7, "b"));
    assert!(!kept_apart(7, "a", 0.0) && kept_apart(7, "a", 1.0));
    for k in 0..1000 {
        let name = format!("t{k}");
        assert!((0.0..1.0).contains(&coin(k, &name)));
        assert!(fold(k, &name, 3) < 3 && fold(k, &name, 1) == 0);
    }
}
