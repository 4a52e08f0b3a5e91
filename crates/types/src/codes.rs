//! The one table of stable error codes: HTTP status, exit code and hint.
//!
//! Error enums of the crates map onto this table at the edge; a code, once published, keeps its
//! meaning.

/// What a code means to each kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    /// The stable name.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The exit code of the command line.
    pub exit: u8,
    /// What to do about it, unless the error knows better.
    pub hint: &'static str,
}

/// Declares [`Code`] and its table.
macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = ($code:literal, $status:literal, $exit:literal, $hint:literal)),+ $(,)?) => {
        /// A stable public error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$meta])* $variant),+ }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The row of the table.
            pub const fn info(self) -> CodeInfo {
                match self { $(Self::$variant => CodeInfo { code: $code, status: $status, exit: $exit, hint: $hint }),+ }
            }
        }
    };
}

codes! {
    /// A field has a wrong type, value or range.
    InvalidInput = ("invalid_input", 422, 2, "see `memrl <command> --help` or /docs for the accepted values"),
    /// The body or line is not JSON.
    MalformedJson = ("malformed_json", 422, 2, "NaN, Infinity and lone surrogates are not JSON; send null or leave the field out"),
    /// A number is NaN or infinite.
    NotFinite = ("not_finite", 422, 2, "numbers must be finite"),
    /// The content is empty.
    EmptyContent = ("empty_content", 422, 2, "a memory needs some text"),
    /// The content is larger than the limit.
    ContentTooLarge = ("content_too_large", 413, 2, "split the text into several cells, or raise `limits.max_content_bytes`"),
    /// The request body is larger than the limit.
    BodyTooLarge = ("body_too_large", 413, 2, "send fewer cells at once, or raise `server.max_body_bytes`"),
    /// An asked scope is empty where that would read everybody's cells.
    EmptyScope = ("empty_scope", 422, 2, "name a scope such as {\"user\": \"ann\"}, or ask for all scopes explicitly"),
    /// An asked scope has a null value.
    NullScope = ("null_scope", 422, 2, "leave the key out instead of asking for null"),
    /// An id that is not an id.
    InvalidId = ("invalid_id", 422, 2, "ids are UUIDs; `memrl list` shows them"),
    /// A prefix that fits several ids.
    AmbiguousId = ("ambiguous_id", 409, 2, "give more characters of the id"),
    /// No such route.
    NotFound = ("not_found", 404, 4, "/docs lists the routes"),
    /// The route exists, with another method.
    MethodNotAllowed = ("method_not_allowed", 405, 2, "the `Allow` header names the methods of this route"),
    /// A body that does not say it is JSON.
    UnsupportedMediaType = ("unsupported_media_type", 415, 2, "send `Content-Type: application/json`"),
    /// No such cell.
    CellNotFound = ("cell_not_found", 404, 4, "`memrl list` shows the cells there are"),
    /// No such decision.
    DecisionNotFound = ("decision_not_found", 404, 4, "`memrl recall` prints the id of its decision; `memrl why last` shows the last one"),
    /// A verdict on a cell that no decision has shown.
    NeverShown = ("never_shown", 409, 5, "feedback is about what was recalled; `memrl retrieve` shows cells and names its decision"),
    /// A transcript that is none.
    NotATranscript = ("not_a_transcript", 422, 2, "give a session file of Claude Code (~/.claude/projects/…/*.jsonl) or Codex (~/.codex/sessions/…/rollout-*.jsonl)"),
    /// No such policy.
    PolicyNotFound = ("policy_not_found", 404, 4, "built in are: baseline_v0, similarity, utility, none"),
    /// A policy file that is damaged, foreign, or of a newer version.
    BadPolicyFile = ("bad_policy_file", 422, 2, "train the policy again, or export it again where it came from"),
    /// The log says too little to answer.
    TooLittleData = ("too_little_data", 409, 5, "the message says what to log; `memrl status` and `memrl stats` count what there is"),
    /// Nothing has proved that the policy is better.
    NotProven = ("not_proven", 409, 5, "let its canary go on (`memrl policy check`), or say why it should be done all the same: --force REASON"),
    /// Work that somebody stopped.
    Stopped = ("stopped", 409, 1, "repeat the command with --resume to go on"),
    /// No such job.
    JobNotFound = ("job_not_found", 404, 4, "GET /v1/jobs lists the jobs of this server"),
    /// No such reward spec.
    RewardSpecNotFound = ("reward_spec_not_found", 404, 4, "built in are: memcell_v1, bounded_v1; or give the path of a TOML file"),
    /// Another writer was first.
    Conflict = ("conflict", 409, 5, "read the cell again and repeat the change on its current version"),
    /// The cell was already superseded.
    AlreadySuperseded = ("already_superseded", 409, 5, "supersede its successor instead; `memrl get ID --history` shows it"),
    /// The same idempotency key with other content.
    IdempotencyMismatch = ("idempotency_mismatch", 409, 5, "use a new idempotency key for other content"),
    /// The state of the cell does not allow this.
    WrongStatus = ("wrong_status", 409, 5, "`memrl get ID` shows the status"),
    /// A confirmation is missing.
    NotConfirmed = ("not_confirmed", 428, 2, "add `--yes` (or \"confirm\": true): this cannot be undone"),
    /// No or a wrong token.
    Unauthorized = ("unauthorized", 401, 3, "send `Authorization: Bearer TOKEN`; the server printed the token at its first start"),
    /// A foreign Host or Origin.
    ForbiddenHost = ("forbidden_host", 403, 3, "add the name to `server.allowed_hosts` if it is yours"),
    /// The request took too long.
    Timeout = ("timeout", 504, 1, "try again, or raise `server.timeout_ms`"),
    /// The database is in use for longer than the busy time-out.
    Busy = ("busy", 503, 6, "another process holds the database; try again"),
    /// The disk is full.
    DiskFull = ("disk_full", 507, 6, "free some space; everything acknowledged so far is safe"),
    /// The directory or file cannot be written.
    ReadOnly = ("read_only", 503, 6, "check the permissions of the data directory, or choose another with --data-dir"),
    /// The file is not a memrl database, or damaged.
    CorruptDatabase = ("corrupt_database", 500, 6, "run `memrl doctor`; `memrl restore` brings a backup back"),
    /// The database was made by a newer version.
    NewerDatabase = ("newer_database", 500, 6, "update memrl; the file was not touched"),
    /// The data directory is on a network file system.
    NetworkFilesystem = ("network_filesystem", 500, 6, "SQLite locks do not hold there; choose a local directory with --data-dir"),
    /// A configuration value is wrong.
    InvalidConfig = ("invalid_config", 500, 2, "`memrl config` shows each value and where it comes from"),
    /// The embedder could not answer.
    Embedder = ("embedder_failed", 502, 7, "recall goes on with words only; check `embedder` in `memrl config`"),
    /// A file that could not be read or written.
    Io = ("io", 500, 6, "check that the path exists and can be read"),
    /// A fault of ours.
    Internal = ("internal", 500, 1, "this is a bug; `memrl doctor --report` collects what a report needs"),
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.info().code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_hinted() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            let info = code.info();
            assert!(seen.insert(info.code), "{} twice", info.code);
            assert!(!info.hint.is_empty());
            assert!((400..600).contains(&info.status) && info.exit > 0);
        }
    }
}
