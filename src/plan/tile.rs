//! How the output of a product is cut among a GPU's workgroups.

use std::fmt;

/// One way to cut; chosen by `specialize`. Of no meaning to kernels that are not products, and on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the output that one workgroup computes.
    pub rows: u32,
    /// Columns of the output that one workgroup computes.
    pub columns: u32,
    /// Terms that are staged in workgroup memory at once; 0 where each invocation reads for itself.
    pub terms: u32,
    /// Rows, and columns, of one invocation: 4 or 8.
    pub each: u32,
    /// Whether memory is read and written four numbers at a time, which needs rows of a multiple of four.
    pub vector: bool,
    /// Parts that the terms are cut into, each with sums of its own, which another op adds; mostly 1.
    pub parts: u32,
}

impl Tile {
    /// What every device and every shape can do: 4×4 in registers, no workgroup memory, number by number.
    pub const PLAIN: Self = Self { rows: 32, columns: 32, terms: 0, each: 4, vector: false, parts: 1 };

    /// Invocations of a workgroup along columns, and along rows.
    pub fn invocations(&self) -> [u32; 2] {
        [self.columns / self.each, self.rows / self.each]
    }

    /// Workgroup memory in bytes: both operands' parts.
    pub fn workgroup_bytes(&self) -> u32 {
        4 * self.terms * (self.rows + self.columns)
    }
}

impl fmt::Display for Tile {
    /// `64×64×16 of 8×8 vec4`, `32×32 of 4×4`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.rows, self.columns)?;
        if self.terms > 0 {
            write!(f, "×{}", self.terms)?;
        }
        write!(f, " of {0}×{0}{1}", self.each, if self.vector { " vec4" } else { "" })?;
        if self.parts > 1 { write!(f, " in {} parts", self.parts) } else { Ok(()) }
    }
}
