//! Tables without lines: a header, columns two spaces apart.

use console::{measure_text_width, truncate_str};

use crate::style::Style;

/// How a column may be fitted into a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Always whole, aligned to the left.
    Left,
    /// Always whole, aligned to the right.
    Right,
    /// Cut when there is too little room, down to this many columns.
    Cut(usize),
}

/// See the module documentation.
pub struct Table {
    columns: Vec<(&'static str, Fit)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(columns: &[(&'static str, Fit)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one text per column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text. `width` is that of the terminal; `None` cuts nothing.
    pub fn render(&self, width: Option<usize>, style: Style) -> String {
        let mut widths: Vec<usize> = self.columns.iter().map(|(h, _)| h.len()).collect();
        for row in &self.rows {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(measure_text_width(cell));
            }
        }
        if let Some(total) = width {
            self.shrink(&mut widths, total);
        }
        let heads: Vec<String> = self.columns.iter().map(|(h, _)| (*h).to_owned()).collect();
        let mut out = style.bold(&self.line(&heads, &widths));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&self.line(row, &widths));
            out.push('\n');
        }
        out
    }

    /// Takes what is too much from the columns that can be cut, the widest first.
    fn shrink(&self, widths: &mut [usize], total: usize) {
        let gaps = 2 * widths.len().saturating_sub(1);
        loop {
            let used = widths.iter().sum::<usize>() + gaps;
            let widest = (0..widths.len())
                .filter(|&i| matches!(self.columns[i].1, Fit::Cut(least) if widths[i] > least))
                .max_by_key(|&i| widths[i]);
            match widest {
                Some(i) if used > total => widths[i] -= 1,
                _ => return,
            }
        }
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, &width), (_, fit)) in cells.iter().zip(widths).zip(&self.columns) {
            let cell = truncate_str(cell, width, "…");
            let pad = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
            if !line.is_empty() {
                line.push_str("  ");
            }
            if *fit == Fit::Right {
                line.push_str(&pad);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&pad);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut t = Table::new(&[("ID", Fit::Left), ("N", Fit::Right), ("TEXT", Fit::Cut(8))]);
        t.row(["a1".into(), "10".into(), "some long content here".into()]);
        t.row(["b2".into(), "9".into(), "記憶".into()]);
        t
    }

    #[test]
    fn piped_tables_are_whole() {
        let text = sample().render(None, Style::plain());
        assert_eq!(
            text,
            "ID   N  TEXT\na1  10  some long content here\nb2   9  記憶\n"
        );
    }

    #[test]
    fn tables_fit_a_terminal() {
        let text = sample().render(Some(20), Style::plain());
        assert!(text.lines().all(|l| measure_text_width(l) <= 20), "{text}");
        assert!(text.contains('…'));
    }
}
