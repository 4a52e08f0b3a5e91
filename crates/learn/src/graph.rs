//! The graph of similar cells that values spread over.
//!
//! Undirected and weighted, as compressed sparse rows. It knows cells by their place in a list,
//! not by id, and takes similarities as it is given them: no text, no vector.

/// How many neighbours of a cell are looked at.
pub const NEIGHBOURS: usize = 10;

/// The least similarity (a cosine) of neighbours.
pub const THRESHOLD: f32 = 0.5;

/// How much a neighbour's experience counts against one's own: γ, `MemRL`'s discount factor.
pub const DISCOUNT: f64 = 0.9;

/// An undirected graph whose weights at each cell add up to at most γ.
///
/// The weight of an edge is
///
/// ```text
/// w_ij = γ · sim_ij / max(1, D_i, D_j)        D_i = Σ_j sim_ij
/// ```
///
/// so that `d_i = Σ_j w_ij ≤ γ`: all neighbours of a cell together weigh less than one observation
/// of its own, be they one or a thousand. Without the bound a hundred copies of a cell would
/// outvote its own evidence, and an untried cell in a crowd of good ones would stand above a cell
/// that has proved itself. The larger of the two degrees divides, so that the weights stay
/// symmetric, which the one solution and its convergence rest on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Where each cell's neighbours start; one more entry than cells.
    starts: Vec<usize>,
    /// Neighbours, rising within a cell.
    ends: Vec<u32>,
    /// Weights, each edge from both sides.
    weights: Vec<f64>,
}

impl Graph {
    /// Cells without neighbours.
    pub fn empty(cells: usize) -> Self {
        Self::from_edges(cells, [], DISCOUNT)
    }

    /// A graph of these edges: two cells and their similarity. `discount` is γ, in [0, 1].
    ///
    /// Loops, cells that are none of the `cells` first, and similarities that are not above 0
    /// are ignored; similarities above 1 are 1; of an edge that is named twice the more similar
    /// one counts.
    pub fn from_edges(
        cells: usize,
        edges: impl IntoIterator<Item = (u32, u32, f32)>,
        discount: f64,
    ) -> Self {
        let discount = discount.clamp(0.0, 1.0);
        let fits = |&(a, b, sim): &(u32, u32, f32)| {
            a != b && (a.max(b) as usize) < cells && sim > 0.0 && discount > 0.0
        };
        let mut edges: Vec<(u32, u32, f32)> = edges
            .into_iter()
            .filter(fits)
            .map(|(a, b, sim)| (a.min(b), a.max(b), sim.min(1.0)))
            .collect();
        edges.sort_unstable_by(|x, y| (x.0, x.1).cmp(&(y.0, y.1)).then(y.2.total_cmp(&x.2)));
        edges.dedup_by_key(|e| (e.0, e.1));
        let mut degree = vec![0.0_f64; cells];
        let mut starts = vec![0_usize; cells + 1];
        for &(a, b, sim) in &edges {
            for cell in [a, b] {
                degree[cell as usize] += f64::from(sim);
                starts[cell as usize + 1] += 1;
            }
        }
        for i in 0..cells {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut ends = vec![0_u32; edges.len() * 2];
        let mut weights = vec![0.0_f64; edges.len() * 2];
        // In the order of the edges, so the neighbours of each cell rise.
        for (a, b, sim) in edges {
            let crowd = degree[a as usize].max(degree[b as usize]).max(1.0);
            for (from, to) in [(a, b), (b, a)] {
                let slot = next[from as usize];
                next[from as usize] += 1;
                ends[slot] = to;
                weights[slot] = discount * f64::from(sim) / crowd;
            }
        }
        Self {
            starts,
            ends,
            weights,
        }
    }

    /// The graph in which two cells are neighbours when each is among the `k` most similar ones of
    /// the other and they are at least `threshold` alike.
    ///
    /// `lists` has the neighbours of each cell with their similarity, in any order, at least its
    /// `k` most similar ones (fewer if there are fewer). Ties at the k-th place go to the smaller
    /// number. Mutuality keeps a cell that is a little like everything (a hub) from reaching
    /// everything. Where the two lists differ in the similarity, the mean of both counts.
    pub fn mutual_knn(lists: &[Vec<(u32, f32)>], k: usize, threshold: f32, discount: f64) -> Self {
        let nearest: Vec<Vec<(u32, f32)>> = lists
            .iter()
            .enumerate()
            .map(|(cell, list)| {
                let near = |&&(other, sim): &&(u32, f32)| {
                    other as usize != cell && (other as usize) < lists.len() && sim >= threshold
                };
                let mut list: Vec<(u32, f32)> = list.iter().filter(near).copied().collect();
                list.sort_unstable_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
                list.truncate(k);
                list
            })
            .collect();
        let edges = nearest.iter().zip(0_u32..).flat_map(|(list, cell)| {
            let nearest = &nearest;
            list.iter()
                .filter(move |(other, _)| cell < *other)
                .filter_map(move |&(other, sim)| {
                    let back = nearest[other as usize].iter().find(|(c, _)| *c == cell)?;
                    Some((cell, other, f32::midpoint(sim, back.1)))
                })
        });
        Self::from_edges(lists.len(), edges, discount)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.ends.len() / 2
    }

    /// The neighbours of a cell with the weights of the edges, by rising number; none for a cell
    /// that is not in the graph.
    pub fn neighbours(&self, cell: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = match (self.starts.get(cell), self.starts.get(cell + 1)) {
            (Some(&from), Some(&to)) => from..to,
            _ => 0..0,
        };
        let weights = &self.weights[range.clone()];
        self.ends[range]
            .iter()
            .map(|&e| e as usize)
            .zip(weights.iter().copied())
    }

    /// The weights of a cell's edges, added up: in [0, γ].
    pub fn degree(&self, cell: usize) -> f64 {
        self.neighbours(cell).map(|(_, w)| w).sum()
    }
}
