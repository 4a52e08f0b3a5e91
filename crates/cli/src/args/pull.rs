//! Options of `memrl pull`.

use clap::Args;

/// `memrl pull`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl pull\n  memrl pull BAAI/bge-small-en-v1.5\n  \
        memrl pull --endpoint https://hub.example --no-use\n\n\
        No other command fetches a model. What is there already is not fetched again."
)]
pub struct Pull {
    /// The model, OWNER/NAME [default: sentence-transformers/all-MiniLM-L6-v2]
    pub repo: Option<String>,
    /// Branch, tag or commit
    #[arg(long, default_value = "main")]
    pub revision: String,
    /// Where to fetch it [default: $HF_ENDPOINT, else huggingface.co]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Only download; leave the setting `embedder` as it is
    #[arg(long)]
    pub no_use: bool,
}
