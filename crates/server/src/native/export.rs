//! The log and the cells, sent while they are read: as JSON Lines, and as programs of researchers read the log.

use std::sync::Arc;

use memrl::{CellStatus, CellType, Clearance, DatasetQuery, ListRequest, ResearchFile, Scope};

use super::{clearance, names};
use crate::App;
use crate::failure::Failure;
use crate::lax::{self, MAX_SAFE};
use crate::reply::Reply;
use crate::request::Req;
use crate::route::{Answer, Param, Route};

const MEDIA: &str = "application/x-ndjson";

const LOG: [Param; 8] = [
    Param {
        name: "from",
        kind: "time",
        about: "Decisions made at or after this time.",
    },
    Param {
        name: "to",
        kind: "time",
        about: "Decisions made before this time.",
    },
    Param {
        name: "policy",
        kind: "string",
        about: "By this policy.",
    },
    Param {
        name: "trajectory",
        kind: "string",
        about: "Of this session or task.",
    },
    Param {
        name: "completed",
        kind: "boolean",
        about: "With (true) or without an outcome.",
    },
    Param {
        name: "limit",
        kind: "integer",
        about: "At most this many decisions; all.",
    },
    Param {
        name: "offset",
        kind: "integer",
        about: "Skip this many decisions; 0.",
    },
    Param {
        name: "texts",
        kind: "boolean",
        about: "With the queries; true.",
    },
];

/// Parameters of the files for programs of researchers.
const RESEARCH: [Param; 9] = [
    LOG[0],
    LOG[1],
    LOG[2],
    LOG[3],
    LOG[4],
    LOG[5],
    LOG[6],
    Param {
        name: "clearance",
        kind: "Sensitivity",
        about: "No text of a memory above it; `recall.clearance`. `restricted` exports everything.",
    },
    Param {
        name: "spec",
        kind: "string",
        about: "The reward spec, by name; `bounded_v1`.",
    },
];

const CELLS: [Param; 4] = [
    Param {
        name: "scope",
        kind: "string",
        about: "Cells that have every pair; all.",
    },
    Param {
        name: "type",
        kind: "CellType[]",
        about: "Only these types, comma separated; all.",
    },
    Param {
        name: "status",
        kind: "CellStatus[]",
        about: "Only these statuses; all but deleted.",
    },
    Param {
        name: "clearance",
        kind: "Sensitivity",
        about: "Nothing above it; `recall.clearance`. `restricted` exports everything.",
    },
];

const fn table(path: &'static str, about: &'static str, run: crate::reply::Handler) -> Route {
    Route {
        path,
        tag: "export",
        about,
        query: &LOG,
        answers: &[(200, "One JSON object per line.", Answer::Text(MEDIA))],
        slow: true,
        run,
        ..Route::BASE
    }
}

const fn research(
    path: &'static str,
    about: &'static str,
    answers: &'static [(u16, &'static str, Answer)],
    run: crate::reply::Handler,
) -> Route {
    Route {
        path,
        tag: "export",
        about,
        query: &RESEARCH,
        answers,
        slow: true,
        run,
        ..Route::BASE
    }
}

const LINES: &[(u16, &str, Answer)] = &[(200, "One JSON object per line.", Answer::Text(MEDIA))];
const TEXT: &[(u16, &str, Answer)] = &[(
    200,
    "Examples, an empty line after each.",
    Answer::Text("text/plain"),
)];
const ARRAYS: &[(u16, &str, Answer)] = &[(
    200,
    "Arrays for `numpy.load`.",
    Answer::Text("application/zip"),
)];

pub(crate) const ROUTES: &[Route] = &[
    table(
        "/v1/export/decisions.jsonl",
        "Decisions, oldest first.",
        |app, req| log(app, req, "decisions"),
    ),
    table(
        "/v1/export/decision_items.jsonl",
        "Candidates of decisions.",
        |app, req| log(app, req, "decision_items"),
    ),
    table(
        "/v1/export/rewards.jsonl",
        "Outcomes and rewards, one signal a line.",
        |app, req| log(app, req, "rewards"),
    ),
    Route {
        path: "/v1/export/cells.jsonl",
        tag: "export",
        about: "Cells, newest first; `memrl import` reads them back.",
        query: &CELLS,
        answers: &[(200, "One JSON object per line.", Answer::Text(MEDIA))],
        slow: true,
        run: cells,
        ..Route::BASE
    },
    research(
        "/v1/export/vw_first_draw.txt",
        "First draws of drawn slates, for Vowpal Wabbit (`--cb_adf`).",
        TEXT,
        |app, req| converted(app, req, ResearchFile::VwFirstDraw),
    ),
    research(
        "/v1/export/vw_holdout.txt",
        "Hold-outs, for Vowpal Wabbit (`--cb_adf`).",
        TEXT,
        |app, req| converted(app, req, ResearchFile::VwHoldout),
    ),
    research(
        "/v1/export/vw_first_draw.dsjson",
        "First draws of drawn slates, for Vowpal Wabbit (`--dsjson`).",
        LINES,
        |app, req| converted(app, req, ResearchFile::DsFirstDraw),
    ),
    research(
        "/v1/export/vw_holdout.dsjson",
        "Hold-outs, for Vowpal Wabbit (`--dsjson`).",
        LINES,
        |app, req| converted(app, req, ResearchFile::DsHoldout),
    ),
    research(
        "/v1/export/vw_slates.dsjson",
        "Drawn slates, slot by slot, for Vowpal Wabbit (`--ccb_explore_adf --dsjson`).",
        LINES,
        |app, req| converted(app, req, ResearchFile::DsSlates),
    ),
    research(
        "/v1/export/obp_slate.npz",
        "Slate feedback for Open Bandit Pipeline.",
        ARRAYS,
        |app, req| converted(app, req, ResearchFile::ObpSlate),
    ),
    research(
        "/v1/export/obp_holdout.npz",
        "Bandit feedback with two actions for Open Bandit Pipeline.",
        ARRAYS,
        |app, req| converted(app, req, ResearchFile::ObpHoldout),
    ),
    research(
        "/v1/export/d3rlpy.npz",
        "Transitions, pick by pick, for `scripts/to_d3rlpy.py`.",
        ARRAYS,
        |app, req| converted(app, req, ResearchFile::D3rlpy),
    ),
    research(
        "/v1/export/trl_prompt.jsonl",
        "TRL: prompts, with the texts of memories.",
        LINES,
        |app, req| converted(app, req, ResearchFile::TrlPrompt),
    ),
    research(
        "/v1/export/trl_sft.jsonl",
        "TRL: prompts with the slates that did well.",
        LINES,
        |app, req| converted(app, req, ResearchFile::TrlSft),
    ),
    research(
        "/v1/export/trl_dpo.jsonl",
        "TRL: pairs of slates shown in the same state.",
        LINES,
        |app, req| converted(app, req, ResearchFile::TrlDpo),
    ),
    research(
        "/v1/export/trl_kto.jsonl",
        "TRL: slates labelled by whether they did well.",
        LINES,
        |app, req| converted(app, req, ResearchFile::TrlKto),
    ),
];

/// Which decisions are wanted.
fn wanted(f: &lax::Fields<'_>) -> DatasetQuery {
    DatasetQuery {
        from: f.optional("from", lax::time),
        to: f.optional("to", lax::time),
        policy: f.optional("policy", lax::text),
        trajectory: f.optional("trajectory", lax::text),
        completed: f.optional("completed", lax::boolean),
        limit: f.optional("limit", |v| lax::count_in(v, 0, MAX_SAFE)),
        offset: f.read("offset", Some(0), |v| lax::count_in(v, 0, MAX_SAFE)),
        spec: None,
    }
}

fn converted(app: &Arc<App>, req: &Req, file: ResearchFile) -> Result<Reply, Failure> {
    let configured = app.memory.config().recall.clearance;
    let (query, clearance) = req.native_query(&RESEARCH.map(|p| p.name), |f| {
        let spec = f.optional("spec", lax::text);
        (DatasetQuery { spec, ..wanted(f) }, clearance(f, configured))
    })?;
    let memory = Arc::clone(&app.memory);
    let media = match file {
        ResearchFile::ObpSlate | ResearchFile::ObpHoldout | ResearchFile::D3rlpy => {
            "application/zip"
        }
        ResearchFile::VwFirstDraw | ResearchFile::VwHoldout => "text/plain",
        _ => MEDIA,
    };
    Ok(Reply::stream(media, move |out| {
        let written = memory.export_research_file(file, out, &query, Clearance(clearance));
        written.map(|_| ())
    }))
}

fn log(app: &Arc<App>, req: &Req, table: &'static str) -> Result<Reply, Failure> {
    let (query, texts) = req.native_query(&LOG.map(|p| p.name), |f| {
        (wanted(f), f.read("texts", Some(true), lax::boolean))
    })?;
    let memory = Arc::clone(&app.memory);
    Ok(Reply::stream(MEDIA, move |out| {
        memory.export_table(table, out, &query, texts).map(|_| ())
    }))
}

fn cells(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let configured = app.memory.config().recall.clearance;
    let request = req.native_query(&CELLS.map(|p| p.name), |f| ListRequest {
        scope: f.read("scope", Some(Scope::default()), lax::scope),
        types: names(f, "type", CellType::ALL, CellType::as_str),
        statuses: names(f, "status", CellStatus::ALL, CellStatus::as_str),
        clearance: Some(clearance(f, configured)),
        ..ListRequest::default()
    })?;
    let memory = Arc::clone(&app.memory);
    Ok(Reply::stream(MEDIA, move |out| {
        memory.export_cells(out, &request).map(|_| ())
    }))
}
