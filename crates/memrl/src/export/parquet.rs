//! Parquet, through the column writers of the `parquet` crate (no Arrow: it would triple the
//! build for three flat tables).

use std::fs::File;
use std::io;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::table::{Field, Kind, Sink, Table};

/// Rows per row group: bounds the memory of an export.
const GROUP: usize = 50_000;

/// A Parquet file of one table. Every column is optional; lists are lists of required floats.
pub(super) struct Parquet {
    table: Table,
    writer: SerializedFileWriter<File>,
    rows: Vec<Vec<Field>>,
}

impl Parquet {
    pub(super) fn create(table: Table, file: File) -> io::Result<Self> {
        let schema = parse_message_type(&message(&table)).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
            .map_err(io::Error::other)?;
        Ok(Self {
            table,
            writer,
            rows: Vec::new(),
        })
    }

    fn flush(&mut self) -> parquet::errors::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let mut index = 0;
        while let Some(mut column) = group.next_column()? {
            write_column(column.untyped(), &self.rows, index)?;
            column.close()?;
            index += 1;
        }
        debug_assert_eq!(index, self.table.columns.len());
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

impl Sink for Parquet {
    fn row(&mut self, row: Vec<Field>) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() >= GROUP {
            self.flush().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush().map_err(io::Error::other)?;
        self.writer.close().map_err(io::Error::other)?;
        Ok(())
    }
}

/// The schema in the format's own notation.
fn message(table: &Table) -> String {
    let mut text = format!("message {} {{\n", table.name);
    for c in table.columns {
        let name = c.name;
        let line = match c.kind {
            Kind::Text => format!("  optional binary {name} (UTF8);\n"),
            Kind::Json => format!("  optional binary {name} (JSON);\n"),
            Kind::Int => format!("  optional int64 {name};\n"),
            Kind::Time => format!("  optional int64 {name} (TIMESTAMP(MICROS,true));\n"),
            Kind::Num => format!("  optional double {name};\n"),
            Kind::Flag => format!("  optional boolean {name};\n"),
            Kind::Floats => format!(
                "  optional group {name} (LIST) {{ repeated group list {{ required float element; }} }}\n"
            ),
        };
        text.push_str(&line);
    }
    text + "}"
}

/// Values and definition levels of one column. A field of another kind than the column's is a
/// null: the rows are made in one place, and a test reads every column back.
fn write_column(
    writer: &mut ColumnWriter<'_>,
    rows: &[Vec<Field>],
    index: usize,
) -> parquet::errors::Result<()> {
    let fields = || rows.iter().map(|r| &r[index]);
    match writer {
        ColumnWriter::ByteArrayColumnWriter(w) => {
            let (values, def) = levels(fields(), |f| match f {
                Field::Text(t) => Some(ByteArray::from(t.as_bytes().to_vec())),
                _ => None,
            });
            w.write_batch(&values, Some(&def), None)?;
        }
        ColumnWriter::Int64ColumnWriter(w) => {
            let (values, def) = levels(fields(), |f| match f {
                Field::Int(i) => Some(*i),
                _ => None,
            });
            w.write_batch(&values, Some(&def), None)?;
        }
        ColumnWriter::DoubleColumnWriter(w) => {
            let (values, def) = levels(fields(), |f| match f {
                Field::Num(x) => Some(*x),
                _ => None,
            });
            w.write_batch(&values, Some(&def), None)?;
        }
        ColumnWriter::BoolColumnWriter(w) => {
            let (values, def) = levels(fields(), |f| match f {
                Field::Flag(b) => Some(*b),
                _ => None,
            });
            w.write_batch(&values, Some(&def), None)?;
        }
        ColumnWriter::FloatColumnWriter(w) => {
            let (mut values, mut def, mut rep) = (Vec::new(), Vec::new(), Vec::new());
            for field in fields() {
                match field {
                    Field::Floats(list) if !list.is_empty() => {
                        values.extend_from_slice(list);
                        def.extend(std::iter::repeat_n(2, list.len()));
                        rep.push(0);
                        rep.extend(std::iter::repeat_n(1, list.len() - 1));
                    }
                    other => {
                        def.push(i16::from(matches!(other, Field::Floats(_))));
                        rep.push(0);
                    }
                }
            }
            w.write_batch(&values, Some(&def), Some(&rep))?;
        }
        _ => {
            return Err(parquet::errors::ParquetError::General(
                "unexpected column".into(),
            ));
        }
    }
    Ok(())
}

/// Splits a column into the values that are there and a level per row.
fn levels<'a, T>(
    fields: impl Iterator<Item = &'a Field>,
    pick: impl Fn(&'a Field) -> Option<T>,
) -> (Vec<T>, Vec<i16>) {
    let mut values = Vec::new();
    let levels = fields
        .map(|f| match pick(f) {
            Some(v) => {
                values.push(v);
                1
            }
            None => 0,
        })
        .collect();
    (values, levels)
}
