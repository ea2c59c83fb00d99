//! How the output of a product is cut among a GPU's workgroups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One way to cut; chosen by `specialize`. Of no meaning to kernels that are not products; on the CPU, but for its parts.
/// In files it is the text that it is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tile {
    /// Rows of the output that one workgroup computes.
    pub rows: u32,
    /// Columns of the output that one workgroup computes.
    pub columns: u32,
    /// Rows and columns of one invocation.
    pub each: [u32; 2],
    /// How invocations sharing what they read.
    pub sharing: OperandSharing,
    /// Whether a, b and the output are read and written four numbers at a time, which needs rows of a multiple of four.
    pub vector: [bool; 3],
    /// Parts that the terms are cut into, each with sums of its own, which another op adds; mostly 1.
    pub parts: u32,
    /// Rows of tiles that workgroups go along together, column by column: those that run at the same time then read the same few
    /// rows and columns of the operands. With 1 they go row by row.
    pub band: u32,
}

/// How the invocations of a workgroup sharing what they read of both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperandSharing {
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
    pub const PLAIN: Self = Self::new(32, 32, [4, 4], OperandSharing::Nothing);

    /// Invocations of the subgroups that [`OperandSharing::Subgroup`] takes.
    pub const SUBGROUP: u32 = 8;

    /// What devices with subgroups of [`Tile::SUBGROUP`] can do: 16×4 sums for each invocation.
    pub const SUBGROUPS: Self = Self::new(32, 32, [16, 4], OperandSharing::Subgroup);

    /// Number by number, all terms in one part.
    pub const fn new(rows: u32, columns: u32, each: [u32; 2], sharing: OperandSharing) -> Self {
        Self { rows, columns, each, sharing, vector: [false; 3], parts: 1, band: 1 }
    }

    /// Invocations of a workgroup along rows and columns together.
    pub fn invocations(&self) -> u32 {
        self.rows / self.each[0] * (self.columns / self.each[1])
    }

    /// Terms that are staged in workgroup memory at once, of those that do so.
    pub fn staged(&self) -> Option<u32> {
        match self.sharing {
            OperandSharing::Workgroup { terms } => Some(terms),
            OperandSharing::Nothing | OperandSharing::Subgroup => None,
        }
    }

    /// Groups of four rows, and of four columns, from one staged term to the next: one more than there are.
    pub fn staged_strides(&self) -> [u32; 2] {
        [self.rows, self.columns].map(|length| length / 4 + 1)
    }

    /// Workgroup memory in bytes: both operands' parts.
    pub fn workgroup_bytes(&self) -> u32 {
        16 * self.staged().unwrap_or(0) * self.staged_strides().iter().sum::<u32>()
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

    /// Reads what [`Tile`] is told as, to the letter. Whether a device can have it is for `specialize` to say.
    fn from_str(text: &str) -> Result<Self, Error> {
        // What was passed over, or understood in another way, would not be told so again.
        let read = read(text).filter(|tile| tile.to_string() == text);
        read.ok_or_else(|| Error::value("tile", "text", format!("`{text}`"), "of the form `64×64×16 of 8×8 vec4`"))
    }
}

/// A tile from its text, of which the end may be more than it takes.
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

/// The numbers of `64×64×16`.
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
    fn tiles_are_read_as_they_are_told() {
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
