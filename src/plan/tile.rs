//! Tile sizes: how the output of a matrix multiplication is split among a GPU's workgroups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Tile sizes of a matrix multiplication on a GPU. Autotuning chooses them, or else a heuristic of `specialize`. Other
/// kernels have no tiles, and the CPU uses only `parts`. Files store a tile as text, such as `64×64×16 of 8×8 vec4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tile {
    /// Rows of the output per workgroup.
    pub rows: u32,
    /// Columns of the output per workgroup.
    pub columns: u32,
    /// Rows and columns of the output per invocation of the shader.
    pub each: [u32; 2],
    /// Sharing of operands among the invocations.
    pub sharing: OperandSharing,
    /// Access by four numbers at once (vec4), for the left operand a, the right operand b, and the output, in this
    /// order. The length of the matrix's rows must then be a multiple of four.
    pub vector: [bool; 3],
    /// Number of parts that the inner dimension is split into (split-K), mostly 1. Each part has its own sums, which
    /// another op adds.
    pub parts: u32,
    /// Number of rows of tiles per band. Consecutive workgroups compute the tiles of a band column by column. So
    /// workgroups that run at the same time read the same few rows and columns of the operands. With 1, they compute
    /// the tiles row by row.
    pub band: u32,
}

/// Sharing of the operands among the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperandSharing {
    /// No sharing: each invocation reads its operands from memory (`shaders/shared/registers.wgsl`).
    Nothing,
    /// Sharing within a subgroup: each invocation loads a part of the rows, and broadcasts it to the others
    /// (`shaders/shared/subgroups.wgsl`).
    Subgroup,
    /// Sharing through workgroup memory, for `terms` elements of the inner dimension at a time
    /// (`shaders/shared/tiles.wgsl`).
    Workgroup {
        /// Number of elements of the inner dimension that are in workgroup memory at once.
        terms: u32,
    },
}

impl Tile {
    /// Tile that every device and every shape supports: 32×32 outputs per workgroup, 4×4 per invocation, no sharing,
    /// scalar access.
    pub const PLAIN: Self = Self::new(32, 32, [4, 4], OperandSharing::Nothing);

    /// Subgroup size that [`OperandSharing::Subgroup`] requires.
    pub const SUBGROUP: u32 = 8;

    /// Tile for devices with subgroups of [`Tile::SUBGROUP`] invocations: 32×32 outputs per workgroup, 16×4 per
    /// invocation.
    pub const SUBGROUPS: Self = Self::new(32, 32, [16, 4], OperandSharing::Subgroup);

    /// Creates a tile with scalar access, no split of the inner dimension, and no bands.
    pub const fn new(rows: u32, columns: u32, each: [u32; 2], sharing: OperandSharing) -> Self {
        Self { rows, columns, each, sharing, vector: [false; 3], parts: 1, band: 1 }
    }

    /// Returns the number of invocations per workgroup.
    pub fn invocations(&self) -> u32 {
        self.rows / self.each[0] * (self.columns / self.each[1])
    }

    /// Returns the number of elements of the inner dimension that are in workgroup memory at once; `None` if none are.
    pub fn staged(&self) -> Option<u32> {
        match self.sharing {
            OperandSharing::Workgroup { terms } => Some(terms),
            OperandSharing::Nothing | OperandSharing::Subgroup => None,
        }
    }

    /// Returns the strides in workgroup memory between successive elements of the inner dimension, for a and b, in
    /// vectors of four numbers. Each stride includes one vector of padding.
    pub fn staged_strides(&self) -> [u32; 2] {
        [self.rows, self.columns].map(|length| length / 4 + 1)
    }

    /// Returns the size of the workgroup memory for both operands, in bytes.
    pub fn workgroup_bytes(&self) -> u32 {
        16 * self.staged().unwrap_or(0) * self.staged_strides().iter().sum::<u32>()
    }
}

impl fmt::Display for Tile {
    /// Formats the tile: `64×64×16 of 8×8 vec4`, `32×32 of 16×4 by subgroups`, `32×32 of 4×4 vec4 of a, b`, `128×128×16
    /// of 8×8 in bands of 8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.rows, self.columns)?;
        if let Some(terms) = self.staged() {
            write!(f, "×{terms}")?;
        }
        let [high, wide] = self.each;
        write!(f, " of {high}×{wide}{}", if self.sharing == OperandSharing::Subgroup { " by subgroups" } else { "" })?;
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

impl FromStr for Tile {
    type Err = Error;

    /// Parses the exact text that `Display` writes. `specialize` checks whether a device supports the tile.
    fn from_str(text: &str) -> Result<Self, Error> {
        // `read` skips or misreads some invalid texts. The tile then prints differently, and the text is rejected.
        let read = read(text).filter(|tile| tile.to_string() == text);
        read.ok_or_else(|| Error::value("tile", "text", format!("`{text}`"), "of the form `64×64×16 of 8×8 vec4`"))
    }
}

/// Parses a tile, and ignores unknown text at the end.
fn read(text: &str) -> Option<Tile> {
    let (size, rest) = text.split_once(" of ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let each = numbers(words[0])?;
    let behind = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1..));
    let (rows, columns, sharing) = match (&numbers(size)?[..], behind("by")) {
        ([rows, columns, terms], None) => (*rows, *columns, OperandSharing::Workgroup { terms: *terms }),
        ([rows, columns], Some(_)) => (*rows, *columns, OperandSharing::Subgroup),
        ([rows, columns], None) => (*rows, *columns, OperandSharing::Nothing),
        _ => return None,
    };
    let [high, wide] = <[u32; 2]>::try_from(each).ok()?;
    let vector = match behind("vec4") {
        None => [false; 3],
        Some(["of", names @ ..]) => {
            ["a", "b", "out"].map(|name| names.iter().any(|word| word.trim_end_matches(',') == name))
        }
        Some(_) => [true; 3],
    };
    let band = rest.split_once(" in bands of ").map_or(Some(1), |(_, band)| band.split(' ').next()?.parse().ok())?;
    let parts = if rest.ends_with(" parts") { rest.rsplit(' ').nth(1)?.parse().ok()? } else { 1 };
    let whole = [rows, columns, high, wide, band, parts].iter().all(|number| *number > 0);
    whole.then_some(Tile { rows, columns, each: [high, wide], sharing, vector, parts, band })
}

/// Parses the numbers of `64×64×16`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('×').map(|number| number.parse().ok()).collect()
}

impl From<Tile> for String {
    fn from(tile: Tile) -> Self {
        tile.to_string()
    }
}

impl TryFrom<String> for Tile {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_read_as_they_are_printed() {
        let shares = [OperandSharing::Nothing, OperandSharing::Subgroup, OperandSharing::Workgroup { terms: 16 }];
        let vectors = (0..8).map(|bits| [1, 2, 4].map(|bit| bits & bit > 0));
        let mut read = 0;
        for (sharing, vector) in
            shares.into_iter().flat_map(|sharing| vectors.clone().map(move |vector| (sharing, vector)))
        {
            for (parts, band) in [(1, 1), (2, 1), (1, 8), (16, 2)] {
                let tile = Tile { vector, parts, band, ..Tile::new(128, 64, [8, 4], sharing) };
                assert_eq!(tile.to_string().parse::<Tile>().expect("it was told"), tile, "{tile}");
                read += 1;
            }
        }
        assert_eq!(read, 96);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "32×32",
            "32x32 of 4×4",
            "0×32 of 4×4",
            "32×32 of 4",
            "32×32 of 4×4 ",
            "32×32 of 4×4 in 0 parts",
            "32×32 of 4×4 in 1 parts",
            "32×32 of 4×4 vec4 of b, a",
            "32×32 of 4×4 vec4 of",
            "032×32 of 4×4",
            "32×32×16 of 4×4 by subgroups",
            "32×32 of 4×4 in bands of 99999999999",
            "32×32 of 4×4 and more",
        ] {
            let error = text.parse::<Tile>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("64×64×16 of 8×8 vec4"), "{error}");
        }
    }
}
