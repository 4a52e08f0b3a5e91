//! How many decisions an answer takes.
//!
//! With variances σ₁², σ₀² of shown and withheld units and withholding probability q, n units have a
//! standard error of `√((σ₁²/(1−q) + σ₀²/q) / n)`, so a two-sided test at 5 % finds an effect δ with probability 80 % from
//!
//! ```text
//! n = (z₀.₉₇₅ + z₀.₈)² · (σ₁²/(1−q) + σ₀²/q) / δ²        z₀.₉₇₅ + z₀.₈ = 2.80
//! ```
//!
//! units on. A cell that a share ρ of the decisions wants for the first time in their trajectory takes n/ρ decisions.

use crate::ope::intervals::quantile;

/// What a question must be able to find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// The effect, above 0.
    pub effect: f64,
    /// Probability of finding it, in (0, 1).
    pub power: f64,
    /// Two-sided level of the test, in (0, 1).
    pub level: f64,
}

impl Power {
    /// 80 % power at a two-sided level of 5 %.
    pub const fn usual(effect: f64) -> Self {
        Self {
            effect,
            power: 0.8,
            level: 0.05,
        }
    }
}

/// Units (pairs of a trajectory and a cell that it wants) that it takes; infinite when nothing is withheld.
/// `variances` are those of an outcome when shown and when withheld, net of covariates.
pub fn units_needed(power: &Power, variances: (f64, f64), p_withheld: f64) -> f64 {
    if p_withheld <= 0.0 || p_withheld >= 1.0 {
        return f64::INFINITY;
    }
    let z = quantile::normal(1.0 - 0.5 * power.level) + quantile::normal(power.power);
    let variance = variances.0 / (1.0 - p_withheld) + variances.1 / p_withheld;
    (z / power.effect).powi(2) * variance
}
