//! Hooks: what the real binary does with what coding agents say.
