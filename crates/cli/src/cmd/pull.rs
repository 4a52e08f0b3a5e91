//! `memrl pull`: the one command that fetches a model.

#[cfg(feature = "remote")]
pub use fetch::run;

/// Says that this build cannot.
#[cfg(not(feature = "remote"))]
pub fn run(
    _: &crate::args::Global,
    _: &crate::args::Pull,
    _: &mut crate::out::Out,
) -> crate::fail::Result<u8> {
    Err(crate::fail::Failure::hinted(
        memrl::Code::Embedder,
        "this build cannot download models: it was made without the feature `remote`",
        "copy the model's folder here and `memrl config set embedder bert:FOLDER`",
    ))
}

#[cfg(feature = "remote")]
mod fetch {
    use std::path::{Path, PathBuf};

    use memrl::Code;
    use memrl::config::Source;
    use memrl::search::embed::hub::{self, HubModel};
    use memrl::search::embed::{EmbedError, EmbedderSpec, from_spec};
    use serde_json::json;

    use crate::args::{Global, Pull};
    use crate::fail::{Failure, Result};
    use crate::out::Out;
    use crate::session;

    /// The directory of models in the data directory.
    const DIR: &str = "models";
    /// The environment variable that other users of the hub read, too.
    const ENDPOINT: &str = "HF_ENDPOINT";
    /// The setting that is changed.
    const KEY: &str = "embedder";

    /// Fetches a model and makes it the embedder.
    pub fn run(global: &Global, args: &Pull, out: &mut Out) -> Result<u8> {
        if !args.no_use && !cfg!(feature = "bert") {
            return Err(Failure::hinted(
                Code::Embedder,
                "this build cannot use BERT models: it was made without the feature `bert`",
                "--no-use only downloads",
            ));
        }
        let model = wanted(args)?;
        // The setting has to mean the same folder wherever memrl is called from.
        let dir = session::data_dir(global)?;
        let dir = std::path::absolute(&dir).map_err(|e| Failure::io(&dir, e))?;
        let models = dir.join(DIR);
        let folder = model
            .folder(&models)
            .map_err(|e| Failure::new(Code::InvalidInput, e.to_string()))?;
        make_private(&dir)?;
        let fetched = download(&model, &models, &folder, out)?;
        let spec = EmbedderSpec::Bert {
            folder: folder.clone(),
        };
        let line = spec.to_string();
        if !args.no_use {
            apply(&dir, &spec, &line, out)?;
        }
        if out.is_json() {
            out.json(&json!({
                "repo": model.repo,
                "revision": model.revision,
                "folder": folder,
                "fetched": fetched,
                "embedder": (!args.no_use).then_some(line),
            }))?;
            return Ok(0);
        }
        out.line(&folder.display().to_string())?;
        if !fetched {
            out.note("It was there already; nothing was fetched.");
        }
        let hint = |text: &str| out.talk.hint(text);
        let next = if args.no_use {
            let command = hint(&format!("memrl config set {KEY} {line}"));
            format!("Use it: {command}")
        } else {
            let command = hint("memrl doctor --repair");
            format!("Set {KEY} to {line} in config.toml\nEmbed what is stored already: {command}")
        };
        out.note(&next);
        Ok(0)
    }

    /// What to fetch, and where.
    fn wanted(args: &Pull) -> Result<HubModel> {
        let mut model = HubModel::new(args.repo.as_deref().unwrap_or(hub::MINILM));
        model.revision.clone_from(&args.revision);
        let configured = std::env::var(ENDPOINT).ok().filter(|v| !v.is_empty());
        if let Some(endpoint) = args.endpoint.clone().or(configured) {
            // The address may hold a password; it is not repeated.
            if !["http://", "https://"]
                .iter()
                .any(|scheme| endpoint.starts_with(scheme))
            {
                return Err(Failure::hinted(
                    Code::InvalidInput,
                    "the endpoint does not start with http:// or https://",
                    format!("see --endpoint and ${ENDPOINT}"),
                ));
            }
            model.endpoint = endpoint;
        }
        Ok(model)
    }

    /// Makes the data directory as a memory makes it: for its owner only.
    fn make_private(dir: &Path) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(|e| Failure::io(dir, e))
    }

    /// Fetches what is missing; whether that was anything.
    fn download(model: &HubModel, models: &Path, folder: &Path, out: &mut Out) -> Result<bool> {
        let mut fetched = false;
        let mut progress = out.progress_of_bytes("connecting");
        let done = hub::download(model, models, &mut |now| {
            fetched = true;
            progress.of(now.done, now.total.unwrap_or(0), now.file);
        });
        // The bar goes away before anything is said.
        drop(progress);
        match done {
            Ok(_) => Ok(fetched),
            Err(e) => Err(explained(&e, model, folder)),
        }
    }

    /// A failed download, with what to do about it.
    fn explained(error: &EmbedError, model: &HubModel, folder: &Path) -> Failure {
        use std::io::ErrorKind as Kind;
        if let EmbedError::Io { source, .. } = error {
            // These come from the disk only.
            let code = match source.kind() {
                Kind::StorageFull | Kind::QuotaExceeded => Some(Code::DiskFull),
                Kind::PermissionDenied
                | Kind::ReadOnlyFilesystem
                | Kind::NotADirectory
                | Kind::AlreadyExists => Some(Code::Io),
                _ => None,
            };
            if let Some(code) = code {
                return Failure::new(code, error.to_string());
            }
        }
        let (repo, revision) = (&model.repo, &model.revision);
        let again = "what is complete is kept, so `memrl pull` goes on where it stopped";
        let (message, hint) = match error {
            // The configuration comes first: without it there is no model of that name. The hub
            // answers 401 for what does not exist, as it does for what is private.
            EmbedError::Refused {
                status: 401 | 403 | 404,
                host,
                ..
            } if !folder.join("config.json").exists() => (
                format!("{host} has no public model {repo} at {revision}: {error}"),
                "check the name, OWNER/NAME, and --revision".to_owned(),
            ),
            EmbedError::Refused { status: 404, .. } => (
                format!("{repo} lacks a file that memrl needs: {error}"),
                "take a BERT model with model.safetensors and vocab.txt or tokenizer.json"
                    .to_owned(),
            ),
            EmbedError::Io { .. } => (
                error.to_string(),
                format!("check the network, --endpoint and ${ENDPOINT}; {again}"),
            ),
            EmbedError::Refused { .. } => (error.to_string(), format!("try again later; {again}")),
            _ => (
                error.to_string(),
                format!("check --endpoint and ${ENDPOINT}, and try again; {again}"),
            ),
        };
        Failure::hinted(Code::Embedder, message, hint)
    }

    /// Loads the model, then makes it the embedder: a setting that does not work is never written.
    fn apply(dir: &Path, spec: &EmbedderSpec, line: &str, out: &mut Out) -> Result<()> {
        // What is not the same after a round trip would name another folder.
        if line.parse::<EmbedderSpec>().ok().as_ref() != Some(spec) {
            return Err(Failure::hinted(
                Code::InvalidConfig,
                format!("config.toml cannot hold the path in {line:?}"),
                "move the data directory to a path of plain text",
            ));
        }
        from_spec(spec).map_err(|e| {
            Failure::hinted(
                Code::Embedder,
                format!("the model was fetched and cannot be used: {e}"),
                "the embedder stays as it was; take another BERT model, or delete the folder and pull again",
            )
        })?;
        memrl::config::set(dir, KEY, line)?;
        let settings = session::settings(&PathBuf::from(dir), &[], out)?;
        let found = settings.origins.iter().find(|(k, ..)| k.name == KEY);
        if let Some((key, _, Source::Environment)) = found {
            out.warn(&format!("{} is set, and wins over config.toml", key.env));
        }
        Ok(())
    }
}
