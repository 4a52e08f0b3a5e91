//! Reading of data files, gzipped or not, and of JSON whose shape is not certain.
//!
//! Every error names the file and the place in it.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// Why a data file could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read (or its gzip data is broken).
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file, or this line of it, is not JSON.
    #[error("{file}: {place} is not JSON: {source}")]
    Json {
        /// The file.
        file: String,
        /// `the file` or `line N`.
        place: String,
        /// What went wrong.
        source: serde_json::Error,
    },
    /// Something has another shape than the format says.
    #[error("{file}: {path}: expected {expected}, found {found}")]
    Shape {
        /// The file.
        file: String,
        /// The place, e.g. `[2].conversation.session_3[4].text`.
        path: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// The bytes of a file as text; unpacked when it starts with the two bytes of gzip, whatever
/// its name.
pub(crate) fn text(path: &Path) -> Result<String, LoadError> {
    let io = |source| LoadError::Io {
        file: path.display().to_string(),
        source,
    };
    let bytes = std::fs::read(path).map_err(io)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .map_err(io)?;
        Ok(text)
    } else {
        String::from_utf8(bytes)
            .map_err(|e| io(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))
    }
}

/// A JSON value that knows where it stands, so that a complaint about it can say so.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    file: &'a str,
    path: String,
    pub(crate) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(crate) fn root(file: &'a str, path: impl Into<String>, value: &'a Value) -> Self {
        Self {
            file,
            path: path.into(),
            value,
        }
    }

    /// The place, for warnings.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The complaint that something else was expected here.
    pub(crate) fn expected(&self, expected: &'static str) -> LoadError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(b) => format!("the boolean {b}"),
            Value::Number(n) => format!("the number {n}"),
            Value::String(s) => format!("the text {:?}", s.chars().take(60).collect::<String>()),
            Value::Array(items) => format!("an array of {}", items.len()),
            Value::Object(map) => format!(
                "an object with the keys {:?}",
                map.keys().take(12).collect::<Vec<_>>()
            ),
        };
        LoadError::Shape {
            file: self.file.to_owned(),
            path: if self.path.is_empty() {
                "top level".to_owned()
            } else {
                self.path.clone()
            },
            expected,
            found,
        }
    }

    /// The member of this name, if it is there and not null. An error when this is no object.
    pub(crate) fn maybe(&self, key: &str) -> Result<Option<Self>, LoadError> {
        let map = self
            .value
            .as_object()
            .ok_or_else(|| self.expected("an object"))?;
        Ok(map.get(key).filter(|v| !v.is_null()).map(|value| Self {
            file: self.file,
            path: if self.path.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.path)
            },
            value,
        }))
    }

    /// The member of this name; `expected` says what for when it is missing.
    pub(crate) fn get(&self, key: &str, expected: &'static str) -> Result<Self, LoadError> {
        self.maybe(key)?.ok_or_else(|| self.expected(expected))
    }

    /// The items of this array.
    pub(crate) fn items(&self) -> Result<Vec<Self>, LoadError> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.expected("an array"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(i, value)| Self {
                file: self.file,
                path: format!("{}[{i}]", self.path),
                value,
            })
            .collect())
    }

    /// This text.
    pub(crate) fn text(&self) -> Result<&'a str, LoadError> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    /// This whole number that is not negative.
    pub(crate) fn number(&self) -> Result<u64, LoadError> {
        self.value
            .as_u64()
            .ok_or_else(|| self.expected("a whole number"))
    }

    /// This text, number or boolean as text.
    pub(crate) fn scalar(&self) -> Result<String, LoadError> {
        match self.value {
            Value::String(s) => Ok(s.clone()),
            Value::Number(n) => Ok(n.to_string()),
            Value::Bool(b) => Ok(b.to_string()),
            _ => Err(self.expected("a text or a number")),
        }
    }
}
