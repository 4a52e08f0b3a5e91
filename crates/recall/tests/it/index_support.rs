//! Documents and questions that the tests of the index share.

use memrl_recall::index::{
    Attrs, Doc, Fusion, Hit, Index, Judge, Pair, Params, QVec, Query, Verdict,
};
use proptest::prelude::*;

pub const DIM: usize = 40;

/// A document that owns its parts.
#[derive(Debug, Clone)]
pub struct Owned {
    pub attrs: Attrs,
    pub text: String,
    pub scope: Vec<Pair>,
    pub vector: Option<QVec>,
}

impl Owned {
    pub fn new(seq: i64, text: &str) -> Self {
        Self {
            attrs: Attrs {
                seq,
                created_at: seq,
                ..Attrs::default()
            },
            text: text.to_owned(),
            scope: Vec::new(),
            vector: None,
        }
    }

    pub fn scoped(mut self, pairs: &[(&str, &str)]) -> Self {
        self.scope = owned_pairs(pairs);
        self
    }

    pub fn placed(mut self, source: u64, position: u32) -> Self {
        self.attrs.source = source;
        self.attrs.position = position;
        self
    }

    pub fn with_vector(mut self, components: &[f32]) -> Self {
        self.vector = Some(QVec::quantise(&padded(components)));
        self
    }

    pub fn doc(&self) -> Doc<'_> {
        Doc {
            attrs: self.attrs,
            text: &self.text,
            scope_pairs: self.scope.clone(),
            vector: self.vector.as_ref(),
        }
    }
}

pub fn owned_pairs(pairs: &[(&str, &str)]) -> Vec<Pair> {
    let text = |v: &str| {
        if v == "null" {
            v.to_owned()
        } else {
            format!("{v:?}")
        }
    };
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), text(v)))
        .collect()
}

pub fn padded(components: &[f32]) -> Vec<f32> {
    let mut out = components.to_vec();
    out.resize(DIM, 0.0);
    out
}

pub fn empty() -> Index {
    Index::empty("model", DIM, 42).unwrap()
}

pub fn index_of(docs: &[Owned]) -> Index {
    let mut index = empty();
    for doc in docs {
        index.upsert(&doc.doc()).unwrap();
    }
    index
}

pub fn admit_all(_: &Attrs) -> Verdict {
    Verdict::Admit
}

pub fn everything() -> Vec<Vec<Pair>> {
    vec![Vec::new()]
}

/// A query in all scopes.
pub fn ask(index: &Index, text: &str, vector: Option<&[f32]>) -> Vec<Hit> {
    ask_as(index, text, vector, &everything(), &admit_all)
}

pub fn ask_as(
    index: &Index,
    text: &str,
    vector: Option<&[f32]>,
    levels: &[Vec<Pair>],
    judge: Judge<'_>,
) -> Vec<Hit> {
    let query = Query {
        text,
        vector,
        levels,
        pool: 50,
        judge,
        hints: &[],
        params: Params::default(),
    };
    index.search(&query).unwrap()
}

pub fn seqs(hits: &[Hit]) -> Vec<i64> {
    hits.iter().map(|h| h.attrs.seq).collect()
}

pub fn fusions() -> [Fusion; 6] {
    [
        Params::default().fusion,
        Fusion::Lexical,
        Fusion::Dense,
        Fusion::Rrf { k: 60.0 },
        Fusion::Convex { alpha: 0.6 },
        Fusion::ZSum {
            weights: [1.0, 2.0, 0.5, 1.5, 0.5, 2.0],
        },
    ]
}

const WORDS: [&str; 12] = [
    "camping",
    "mountain",
    "guitar",
    "Caroline",
    "pottery",
    "the",
    "was",
    "running",
    "runs",
    "snake_case",
    "adoption",
    "Café",
];

/// Texts of few words, so that they share many.
pub fn any_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    prop::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

pub fn any_components() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, DIM)
}

fn any_scope() -> impl Strategy<Value = Vec<Pair>> {
    let user = prop::sample::select(vec!["ann", "bob"]);
    let project = prop::option::of(prop::sample::select(vec!["x", "y", "null"]));
    (user, project).prop_map(|(user, project)| {
        let mut pairs = vec![("user", user)];
        pairs.extend(project.map(|p| ("project", p)));
        owned_pairs(&pairs)
    })
}

/// A document with this key.
pub fn any_doc(seq: i64) -> impl Strategy<Value = Owned> {
    let numbers = (0i64..6, 0u64..3, 0u32..6, 0u8..4, 0.0f64..1.0);
    let vector = prop::option::weighted(0.8, any_components());
    (any_text(), any_scope(), vector, numbers).prop_map(
        move |(text, scope, vector, (created_at, source, position, status, confidence))| Owned {
            attrs: Attrs {
                seq,
                created_at,
                source,
                position,
                status,
                confidence: (confidence * 4.0).round() / 4.0,
                staleness: f64::from(position) / 8.0,
                ..Attrs::default()
            },
            text,
            scope,
            vector: vector.map(|v| QVec::quantise(&v)),
        },
    )
}

/// Masks status 2 and hides status 3.
pub fn by_status(attrs: &Attrs) -> Verdict {
    match attrs.status {
        2 => Verdict::Mask(9),
        3 => Verdict::Exclude,
        _ => Verdict::Admit,
    }
}
