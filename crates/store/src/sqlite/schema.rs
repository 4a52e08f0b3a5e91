//! The schema, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

use crate::{Result, StoreError};

/// Marks a SQLite file as ours (`memr`), in the header of the file.
pub(super) const APPLICATION_ID: i32 = 0x6d65_6d72;

/// What turns version `i` into version `i + 1`. Released entries never change.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("v1.sql")];

/// The newest schema version known here.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The schema version of an open database.
pub(super) fn version(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

/// Refuses files of newer versions.
pub(super) fn check_version(found: i64) -> Result<()> {
    if found > VERSION {
        return Err(StoreError::NewerDatabase {
            found,
            supported: VERSION,
        });
    }
    Ok(())
}

/// Brings a database to the last of these versions, each step in a transaction of its own.
pub(super) fn migrate(conn: &mut Connection, migrations: &[&str]) -> Result<()> {
    for (i, sql) in migrations.iter().enumerate() {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&tx)? > i as i64 {
            continue;
        }
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", i as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}
