//! The schema, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

use crate::{Result, StoreError};

/// Marks a SQLite file as ours (`memr`), in the header of the file.
pub(super) const APPLICATION_ID: i32 = 0x6d65_6d72;

/// What turns version `i` into version `i + 1`. Released entries never change.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("v1.sql"), include_str!("v2.sql")];

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

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(conn: &Connection) -> i64 {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('one', 'two')";
        conn.query_row(sql, [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn migrations_run_forward_once_and_each_as_a_whole() {
        let mut conn = Connection::open_in_memory().unwrap();
        let (one, two) = (
            "CREATE TABLE one (x) STRICT",
            "CREATE TABLE one (x INTEGER) STRICT",
        );
        assert!(migrate(&mut conn, &[one]).is_err(), "STRICT wants types");
        assert_eq!((version(&conn).unwrap(), tables(&conn)), (0, 0));
        migrate(&mut conn, &[two]).unwrap();
        migrate(&mut conn, &[two]).unwrap();
        assert_eq!((version(&conn).unwrap(), tables(&conn)), (1, 1));
        let broken = "CREATE TABLE two (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)";
        assert!(migrate(&mut conn, &[two, broken]).is_err());
        assert_eq!((version(&conn).unwrap(), tables(&conn)), (1, 1));
        migrate(&mut conn, &[two, "CREATE TABLE two (x INTEGER) STRICT"]).unwrap();
        assert_eq!((version(&conn).unwrap(), tables(&conn)), (2, 2));
    }
}
