//! The agent: what it makes of the episodes that it is shown, and what it lets the memory know.
//!
//! The assumptions are in [the module above](super). Knows no memory: episodes are [`Advice`].

use super::Assumptions;
use super::world::{Coins, Remedy};

/// What an episode tells who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What was done.
    pub remedy: Remedy,
    /// Whether the episode says that it failed: then it is not followed.
    pub failed: bool,
}

impl Advice {
    /// Whether following it solves a task for which `works` works.
    pub fn helps(self, works: Remedy) -> bool {
        !self.failed && self.remedy == works
    }

    /// Whether following it leads astray.
    pub fn misleads(self, works: Remedy) -> bool {
        !self.failed && self.remedy != works
    }
}

/// How a task went, and what can be known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The probability of success after what was shown.
    pub probability: f64,
    /// Whether it succeeded: the truth, which no memory sees.
    pub success: bool,
    /// What was done.
    pub tried: Remedy,
    /// What the test run said, if there was one.
    pub tests: Option<bool>,
    /// The verdict: the place of the judged episode, and whether it is called useful.
    pub verdict: Option<(usize, bool)>,
    /// The place of the cited episode.
    pub cited: Option<usize>,
}

/// Works on a task for which `works` works, having been shown this advice, best first.
pub fn attempt(
    shown: &[Advice],
    works: Remedy,
    plausible: &[Remedy],
    coins: &Coins,
    a: &Assumptions,
) -> Attempt {
    let helpful = shown.iter().position(|s| s.helps(works));
    let before = &shown[..helpful.unwrap_or(shown.len())];
    let misled = before.iter().position(|s| s.misleads(works));
    let mut probability = a.base;
    if helpful.is_some() {
        probability += a.gain;
    }
    if misled.is_some() {
        probability -= a.harm;
    }
    let probability = probability.clamp(0.0, 1.0);
    let success = coins.success < probability;
    let followed = if success { helpful } else { misled.or(helpful) };
    let tried = match (success, misled) {
        (true, _) => works,
        (false, Some(place)) => shown[place].remedy,
        (false, None) => {
            let wrong: Vec<Remedy> = plausible.iter().copied().filter(|r| *r != works).collect();
            pick(&wrong, coins.tried).copied().unwrap_or(works)
        }
    };
    let tests = (coins.tests < a.tests).then_some(success == (coins.tests_right < a.tests_right));
    let judged = followed.or((!shown.is_empty()).then_some(0));
    let verdict = judged.filter(|_| coins.verdict < a.verdicts).map(|place| {
        let useful = shown[place].helps(works);
        (place, useful == (coins.verdict_right < a.verdicts_right))
    });
    let cited = followed
        .filter(|_| coins.citation < a.citations)
        .map(|place| {
            if coins.citation_right < a.citations_right {
                place
            } else {
                let places: Vec<usize> = (0..shown.len()).collect();
                pick(&places, coins.mistaken).copied().unwrap_or(place)
            }
        });
    Attempt {
        probability,
        success,
        tried,
        tests,
        verdict,
        cited,
    }
}

/// The item that a uniform number in [0, 1) names.
fn pick<T>(items: &[T], uniform: f64) -> Option<&T> {
    let place = (uniform * items.len() as f64) as usize;
    items.get(place.min(items.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn remedy(number: usize) -> Remedy {
        Remedy { symptom: 0, number }
    }

    const fn says(number: usize) -> Advice {
        Advice {
            remedy: remedy(number),
            failed: false,
        }
    }

    const fn failed(number: usize) -> Advice {
        Advice {
            remedy: remedy(number),
            failed: true,
        }
    }

    /// Coins that come up `x` for everything.
    fn coins(x: f64) -> Coins {
        Coins {
            success: x,
            tests: x,
            tests_right: x,
            verdict: x,
            verdict_right: x,
            citation: x,
            citation_right: x,
            mistaken: x,
            tried: x,
        }
    }

    fn go(shown: &[Advice], x: f64) -> Attempt {
        let plausible = [remedy(0), remedy(1), remedy(2)];
        attempt(
            shown,
            remedy(0),
            &plausible,
            &coins(x),
            &Assumptions::default(),
        )
    }

    #[test]
    fn success_is_as_likely_as_the_formula_says() {
        for (shown, p) in [
            (vec![], 0.35),
            (vec![says(0)], 0.80),
            (vec![says(1), says(0)], 0.60),
            (vec![says(0), says(1)], 0.80),
            (vec![says(1), says(2)], 0.15),
            (vec![failed(1), failed(0)], 0.35),
            (vec![failed(1), says(0)], 0.80),
        ] {
            let got = go(&shown, 0.5).probability;
            assert!((got - p).abs() < 1e-12, "{shown:?}: {got}");
        }
    }

    #[test]
    fn signals_are_about_what_was_followed() {
        let good = go(&[says(1), failed(2), says(0)], 0.2);
        assert!(good.success);
        assert_eq!(good.tried, remedy(0));
        assert_eq!((good.verdict, good.cited), (Some((2, true)), Some(2)));
        assert_eq!(good.tests, Some(true));

        let bad = go(&[says(1)], 0.2);
        assert!(!bad.success);
        assert_eq!(bad.tried, remedy(1));
        assert_eq!((bad.verdict, bad.cited), (Some((0, false)), Some(0)));
        assert_eq!(bad.tests, Some(false));
    }

    #[test]
    fn whoever_fails_without_advice_has_tried_something_that_does_not_work() {
        for x in [0.4, 0.7, 0.99] {
            let attempt = go(&[], x);
            assert!(!attempt.success && attempt.tried != remedy(0));
            assert_eq!((attempt.verdict, attempt.cited), (None, None));
        }
        // A test run that is wrong calls the failure a success.
        assert_eq!(go(&[failed(1)], 0.95).tests, None);
        let mistaken = Coins {
            tests: 0.1,
            ..coins(0.95)
        };
        let a = Assumptions::default();
        let wrong = attempt(&[], remedy(0), &[remedy(1)], &mistaken, &a);
        assert_eq!((wrong.success, wrong.tests), (false, Some(true)));
    }
}
