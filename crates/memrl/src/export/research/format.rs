//! The formats and their files: names, and what each needs to know. Nothing of how they are written.

/// A file that some program of researchers reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResearchFile {
    /// `vw_first_draw.txt`: Vowpal Wabbit `--cb_adf`, the first draw of drawn slates.
    VwFirstDraw,
    /// `vw_holdout.txt`: the same for hold-out coins.
    VwHoldout,
    /// `vw_first_draw.dsjson`: Vowpal Wabbit `--dsjson`.
    DsFirstDraw,
    /// `vw_holdout.dsjson`: the same for hold-out coins.
    DsHoldout,
    /// `vw_slates.dsjson`: Vowpal Wabbit `--ccb_explore_adf --dsjson`, drawn slates slot by slot.
    DsSlates,
    /// `obp_slate.npz`: slate feedback of Open Bandit Pipeline.
    ObpSlate,
    /// `obp_holdout.npz`: bandit feedback of Open Bandit Pipeline with two actions.
    ObpHoldout,
    /// `d3rlpy.npz`: transitions for `scripts/to_d3rlpy.py`.
    D3rlpy,
    /// `trl_prompt.jsonl`: TRL, prompt-only.
    TrlPrompt,
    /// `trl_sft.jsonl`: TRL, prompt-completion.
    TrlSft,
    /// `trl_dpo.jsonl`: TRL, preference.
    TrlDpo,
    /// `trl_kto.jsonl`: TRL, unpaired preference.
    TrlKto,
}

impl ResearchFile {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::VwFirstDraw,
        Self::VwHoldout,
        Self::DsFirstDraw,
        Self::DsHoldout,
        Self::DsSlates,
        Self::ObpSlate,
        Self::ObpHoldout,
        Self::D3rlpy,
        Self::TrlPrompt,
        Self::TrlSft,
        Self::TrlDpo,
        Self::TrlKto,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VwFirstDraw => "vw_first_draw.txt",
            Self::VwHoldout => "vw_holdout.txt",
            Self::DsFirstDraw => "vw_first_draw.dsjson",
            Self::DsHoldout => "vw_holdout.dsjson",
            Self::DsSlates => "vw_slates.dsjson",
            Self::ObpSlate => "obp_slate.npz",
            Self::ObpHoldout => "obp_holdout.npz",
            Self::D3rlpy => "d3rlpy.npz",
            Self::TrlPrompt => "trl_prompt.jsonl",
            Self::TrlSft => "trl_sft.jsonl",
            Self::TrlDpo => "trl_dpo.jsonl",
            Self::TrlKto => "trl_kto.jsonl",
        }
    }

    /// Whether it holds queries and contents of cells.
    pub const fn has_texts(self) -> bool {
        matches!(
            self,
            Self::TrlPrompt | Self::TrlSft | Self::TrlDpo | Self::TrlKto
        )
    }

    /// Whether it needs to know which reward is a good one.
    pub(super) const fn has_bars(self) -> bool {
        matches!(self, Self::TrlSft | Self::TrlKto)
    }
}

/// A format that some program of researchers reads: one or several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResearchFormat {
    /// Vowpal Wabbit, text.
    VwCb,
    /// Vowpal Wabbit, decision-service JSON.
    VwDsjson,
    /// Open Bandit Pipeline.
    Obp,
    /// d3rlpy.
    D3rlpy,
    /// TRL, prompt-only.
    TrlPrompt,
    /// TRL, supervised fine-tuning.
    TrlSft,
    /// TRL, direct preference optimisation.
    TrlDpo,
    /// TRL, Kahneman–Tversky optimisation.
    TrlKto,
}

impl ResearchFormat {
    /// Its files.
    pub const fn files(self) -> &'static [ResearchFile] {
        match self {
            Self::VwCb => &[ResearchFile::VwFirstDraw, ResearchFile::VwHoldout],
            Self::VwDsjson => &[
                ResearchFile::DsFirstDraw,
                ResearchFile::DsHoldout,
                ResearchFile::DsSlates,
            ],
            Self::Obp => &[ResearchFile::ObpSlate, ResearchFile::ObpHoldout],
            Self::D3rlpy => &[ResearchFile::D3rlpy],
            Self::TrlPrompt => &[ResearchFile::TrlPrompt],
            Self::TrlSft => &[ResearchFile::TrlSft],
            Self::TrlDpo => &[ResearchFile::TrlDpo],
            Self::TrlKto => &[ResearchFile::TrlKto],
        }
    }
}
