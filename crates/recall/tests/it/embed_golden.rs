//! Embedders against values from other implementations (`scripts/embed_golden.py`).

use std::path::{Path, PathBuf};

use memrl_recall::embed::{Embedder, StaticEmbedder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    head: Vec<Vec<f32>>,
    cosine: Vec<Vec<f32>>,
}

/// Every first component and every pairwise cosine within `tolerance` of the golden value.
fn agrees(embedder: &dyn Embedder, golden: &Golden, tolerance: f32) {
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
    let vectors = embedder.embed(&texts).unwrap();
    assert_eq!(vectors.len(), texts.len());
    let mut worst = 0.0_f32;
    for (i, a) in vectors.iter().enumerate() {
        assert_eq!(a.len(), embedder.dim());
        assert!(!golden.head[i].is_empty());
        for (x, y) in a.iter().zip(&golden.head[i]) {
            worst = worst.max((x - y).abs());
        }
        for (j, b) in vectors.iter().enumerate() {
            let cosine: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            worst = worst.max((cosine - golden.cosine[i][j]).abs());
        }
    }
    assert!(worst <= tolerance, "off by {worst}");
}

#[test]
fn word_pieces_agree_with_the_reference_tokenizer() {
    #[derive(Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u32>,
    }
    let embedder = StaticEmbedder::builtin();
    let tokenizer = embedder.tokenizer();
    let unknown = tokenizer.vocab().id("[UNK]");
    let cases: Vec<Case> = json("wordpiece.json");
    assert!(cases.len() > 20);
    for case in cases {
        let mut ids = Vec::new();
        tokenizer.encode(&case.text, usize::MAX, unknown, &mut ids);
        assert_eq!(ids, case.ids, "{:?}", case.text);
    }
}

#[test]
fn the_built_in_table_agrees_with_a_byte_by_byte_reading() {
    agrees(&StaticEmbedder::builtin(), &json("static.json"), 2e-6);
}

#[test]
fn paraphrases_are_nearer_than_strangers_in_the_built_in_table() {
    let golden: Golden = json("static.json");
    let (paraphrase, strangers) = (golden.cosine[0][1], &golden.cosine[0][2..]);
    assert!(strangers.iter().all(|c| *c < paraphrase - 0.2));
}

#[cfg(feature = "bert")]
mod bert {
    use memrl_recall::embed::BertEmbedder;

    use super::*;

    /// A copy of the tiny model that a test may change.
    fn copy() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "vocab.txt", "model.safetensors"] {
            std::fs::copy(data("tiny-bert").join(name), folder.path().join(name)).unwrap();
        }
        folder
    }

    fn pool_by_cls(folder: &Path) {
        std::fs::create_dir(folder.join("1_Pooling")).unwrap();
        let modes = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        std::fs::write(folder.join("1_Pooling/config.json"), modes).unwrap();
    }

    #[test]
    fn a_small_bert_agrees_with_numpy() {
        let model = BertEmbedder::load(&data("tiny-bert")).unwrap();
        agrees(&model, &json("tiny-bert/mean.json"), 5e-6);
    }

    #[test]
    fn pooling_by_cls_agrees_with_numpy_and_has_an_id_of_its_own() {
        let folder = copy();
        let mean = BertEmbedder::load(folder.path()).unwrap();
        pool_by_cls(folder.path());
        let model = BertEmbedder::load(folder.path()).unwrap();
        agrees(&model, &json("tiny-bert/cls.json"), 5e-6);
        assert_ne!(mean.id(), model.id());
    }

    #[test]
    fn the_id_names_the_weights_and_not_the_place() {
        let folder = copy();
        let id = |path: &Path| BertEmbedder::load(path).unwrap().id().to_owned();
        let here = id(folder.path());
        assert_eq!(here, id(&data("tiny-bert")));
        let path = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len() - 2;
        bytes[end] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_ne!(here, id(folder.path()));
    }

    #[test]
    fn a_vector_does_not_depend_on_its_neighbours_or_on_threads() {
        let words = ["the", "cat", "sat", "on", "mat", "dogs", "a", "b", "c", "!"];
        let texts: Vec<String> = (0..400)
            .map(|i| {
                let word = |k: usize| words[(i * (k + 1) + i / 7) % words.len()];
                (0..=i % 9).map(word).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let model = BertEmbedder::load(&data("tiny-bert")).unwrap();
        let together = model.embed(&texts).unwrap();
        for (text, vector) in texts.iter().zip(&together) {
            assert_eq!(model.embed(&[text]).unwrap()[0], *vector, "{text}");
        }
        let threaded = model.with_threads(3).embed(&texts).unwrap();
        assert_eq!(threaded, together);
    }

    #[test]
    fn a_vocabulary_inside_tokenizer_json_is_the_same() {
        let folder = copy();
        let text = std::fs::read_to_string(data("tiny-bert/vocab.txt")).unwrap();
        let pieces: serde_json::Map<_, _> = text
            .lines()
            .enumerate()
            .map(|(id, piece)| (piece.to_owned(), id.into()))
            .collect();
        let file = serde_json::json!({"model": {"type": "WordPiece", "vocab": pieces}});
        std::fs::remove_file(folder.path().join("vocab.txt")).unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        let model = BertEmbedder::load(folder.path()).unwrap();
        agrees(&model, &json("tiny-bert/mean.json"), 5e-6);
    }

    #[test]
    fn no_text_gives_no_vector() {
        let model = BertEmbedder::load(&data("tiny-bert")).unwrap();
        assert!(model.embed(&[]).unwrap().is_empty());
    }

    /// Loads the tiny model after a change of one file; the message of the refusal.
    fn refusal(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
        let folder = copy();
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, change(bytes)).unwrap();
        BertEmbedder::load(folder.path()).unwrap_err().to_string()
    }

    fn replace(from: &str, to: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(&from));
            text.replace(&from, &to).into_bytes()
        }
    }

    #[test]
    fn a_model_that_would_be_misread_is_refused() {
        let says = |message: String, part: &str| assert!(message.contains(part), "{message}");
        let config = "config.json";
        says(
            refusal(config, replace("\"bert\"", "\"roberta\"")),
            "roberta",
        );
        says(refusal(config, replace("\"gelu\"", "\"relu\"")), "relu");
        says(refusal(config, replace(": 16", ": 18")), "multiple");
        says(refusal(config, replace(": 16", ": 32")), "shape");
        says(refusal(config, replace(": 16", ": 0")), "size");
        says(refusal(config, |_| b"{".to_vec()), "config.json");
        says(refusal("vocab.txt", replace("[SEP]", "[END]")), "[SEP]");
        says(refusal("vocab.txt", replace("the\n", "the\nnew\n")), "18");
        let weights = "model.safetensors";
        says(refusal(weights, |b| b[..b.len() / 2].to_vec()), weights);
        says(refusal(weights, |b| b[..4].to_vec()), weights);
        says(refusal(weights, |_| vec![0xff; 64]), weights);
        let nan = |mut b: Vec<u8>| {
            let end = b.len() - 4;
            b[end..].copy_from_slice(&f32::NAN.to_le_bytes());
            b
        };
        says(refusal(weights, nan), "not finite");
    }

    #[test]
    fn a_missing_folder_is_named_in_the_error() {
        let error = BertEmbedder::load(Path::new("no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }

    #[test]
    fn minilm_agrees_with_numpy() {
        let Some(folder) = std::env::var_os("MEMRL_TEST_MINILM") else {
            eprintln!("skipped: MEMRL_TEST_MINILM names no folder with all-MiniLM-L6-v2");
            return;
        };
        let model = BertEmbedder::load(Path::new(&folder)).unwrap();
        let golden: Golden = json("minilm.json");
        agrees(&model, &golden, 2e-6);
        let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
        let alone: Vec<_> = texts
            .iter()
            .flat_map(|text| model.embed(&[text]).unwrap())
            .collect();
        assert_eq!(model.embed(&texts).unwrap(), alone);
    }
}
