//! Identifiers: random 128-bit values, written as UUIDs of version 4.

use serde::{Deserialize, Serialize};

/// Declares an identifier type over [`uuid::Uuid`].
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// The identifier made of 16 random bytes (the caller's randomness, not ours).
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The 16 bytes, as stored.
            pub fn bytes(&self) -> &[u8; 16] { self.0.as_bytes() }

            /// The identifier with these stored bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self { Self(uuid::Uuid::from_bytes(bytes)) }

            /// The first eight hexadecimal digits: how a cell is cited as `[m:1a2b3c4d]`.
            pub fn short(&self) -> String { self.0.simple().to_string()[..8].to_owned() }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.hyphenated().fmt(f) }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> { uuid::Uuid::parse_str(text).map(Self) }
        }
    };
}

id! {
    /// A cell.
    CellId
}
id! {
    /// A decision (memcell-rl's `transition_id`).
    DecisionId
}
id! {
    /// One report of an outcome.
    OutcomeId
}
id! {
    /// An event in the log.
    EventId
}
