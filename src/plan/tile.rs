//! How the output of a product is cut among a GPU's workgroups.

use std::fmt;

/// One way to cut; chosen by `specialize`. Of no meaning to kernels that are not products; on the CPU, but for its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the output that one workgroup computes.
    pub rows: u32,
    /// Columns of the output that one workgroup computes.
    pub columns: u32,
    /// Rows and columns of one invocation.
    pub each: [u32; 2],
    /// How invocations share what they read.
    pub share: Share,
    /// Whether a, b and the output are read and written four numbers at a time, which needs rows of a multiple of four.
    pub vector: [bool; 3],
    /// Parts that the terms are cut into, each with sums of its own, which another op adds; mostly 1.
    pub parts: u32,
    /// Rows of tiles that workgroups go along together, column by column: those that run at the same time then read the same few
    /// rows and columns of the operands. With 1 they go row by row.
    pub band: u32,
}

/// How the invocations of a workgroup share what they read of both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Not at all: each reads for itself (`shaders/shared/registers.wgsl`).
    Nothing,
    /// Those of a subgroup hear rows of one another (`shaders/shared/subgroups.wgsl`).
    Subgroup,
    /// Through workgroup memory, so many terms at a time (`shaders/shared/tiles.wgsl`).
    Workgroup {
        /// Terms that are staged at once.
        terms: u32,
    },
}

impl Tile {
    /// What every device and every shape can do: 4×4 in registers, nothing shared, number by number.
    pub const PLAIN: Self = Self::new(32, 32, [4, 4], Share::Nothing);

    /// Invocations of the subgroups that [`Share::Subgroup`] takes.
    pub const SUBGROUP: u32 = 8;

    /// What devices with subgroups of [`Tile::SUBGROUP`] can do: 16×4 sums for each invocation.
    pub const SUBGROUPS: Self = Self::new(32, 32, [16, 4], Share::Subgroup);

    /// Number by number, all terms in one part.
    pub const fn new(rows: u32, columns: u32, each: [u32; 2], share: Share) -> Self {
        Self { rows, columns, each, share, vector: [false; 3], parts: 1, band: 1 }
    }

    /// Invocations of a workgroup along rows and columns together.
    pub fn invocations(&self) -> u32 {
        self.rows / self.each[0] * (self.columns / self.each[1])
    }

    /// Terms that are staged in workgroup memory at once, of those that do so.
    pub fn staged(&self) -> Option<u32> {
        match self.share {
            Share::Workgroup { terms } => Some(terms),
            Share::Nothing | Share::Subgroup => None,
        }
    }

    /// Workgroup memory in bytes: both operands' parts.
    pub fn workgroup_bytes(&self) -> u32 {
        4 * self.staged().unwrap_or(0) * (self.rows + self.columns)
    }
}

impl fmt::Display for Tile {
    /// `64×64×16 of 8×8 vec4`, `32×32 of 16×4 by subgroups`, `32×32 of 4×4 vec4 of a, b`, `128×128×16 of 8×8 in bands of 8`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.rows, self.columns)?;
        if let Some(terms) = self.staged() {
            write!(f, "×{terms}")?;
        }
        let [high, wide] = self.each;
        write!(f, " of {high}×{wide}{}", if self.share == Share::Subgroup { " by subgroups" } else { "" })?;
        let names = ["a", "b", "out"].iter().zip(self.vector).filter(|(_, vector)| *vector).map(|(name, _)| *name);
        match names.collect::<Vec<_>>()[..] {
            [] => {}
            [_, _, _] => write!(f, " vec4")?,
            ref some => write!(f, " vec4 of {}", some.join(", "))?,
        }
        if self.band > 1 {
            write!(f, " in bands of {}", self.band)?;
        }
        if self.parts > 1 { write!(f, " in {} parts", self.parts) } else { Ok(()) }
    }
}
