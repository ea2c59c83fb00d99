//! Notes (values of any type) on ranges of allocations, with lookup by view. If ops were compared with all earlier
//! views instead, the time to build a plan would be quadratic in the number of ops.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::plan::{AllocationId, View};

/// Map from elements of allocations to notes. Neighboring elements that are covered by the same views form one segment.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T> {
    /// Segments of each allocation: first element → (end, note). They do not overlap.
    allocations: HashMap<AllocationId, BTreeMap<usize, (usize, T)>>,
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self { allocations: HashMap::new() }
    }
}

/// Returns the range of elements to compare for overlap. If the view has one part per batch of a submission, this is
/// the whole allocation.
fn elements(view: &View) -> Range<usize> {
    if view.batch_stride > 0 { 0..usize::MAX } else { view.range(0) }
}

impl<T: Clone + Default> Segments<T> {
    /// Returns the notes on the elements of a view, one for each segment that the view overlaps.
    pub(crate) fn on(&self, view: &View) -> impl Iterator<Item = &T> {
        let Range { start, end } = elements(view);
        let segments = self.allocations.get(&view.allocation).into_iter();
        let before = segments.flat_map(move |segments| segments.range(..end).rev());
        before.take_while(move |(_, (behind, _))| *behind > start).map(|(_, (_, note))| note)
    }

    /// Returns `true` if any element of a view has a note.
    pub(crate) fn covers(&self, view: &View) -> bool {
        self.on(view).next().is_some()
    }

    /// Changes the note on each element of a view, starting from the default if there is none.
    pub(crate) fn note(&mut self, view: &View, change: impl Fn(&mut T)) {
        let segments = self.allocations.entry(view.allocation).or_default();
        let Range { start, end } = elements(view);
        split(segments, start);
        split(segments, end);
        let mut at = start;
        while at < end {
            match segments.range_mut(at..end).next() {
                Some((first, (behind, note))) if *first == at => {
                    change(note);
                    at = *behind;
                }
                next => {
                    let behind = next.map_or(end, |(first, _)| *first);
                    let mut note = T::default();
                    change(&mut note);
                    segments.insert(at, (behind, note));
                    at = behind;
                }
            }
        }
    }
}

/// Splits the segment that contains element `at`, unless it begins there.
fn split<T: Clone>(segments: &mut BTreeMap<usize, (usize, T)>, at: usize) {
    let within = segments.range_mut(..at).next_back().filter(|(_, (behind, _))| *behind > at);
    if let Some((_, (behind, note))) = within {
        let second = (std::mem::replace(behind, at), note.clone());
        segments.insert(at, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn view(allocation: usize, range: Range<usize>, batch_stride: usize) -> View {
        let (allocation, shape) = (AllocationId(allocation), Shape::vector(range.len()));
        View { name: String::new(), allocation, offset: range.start, shape, batch_stride }
    }

    /// Compares with a search through all noted views, in any order and with any overlap.
    #[test]
    fn a_note_is_found_by_exactly_the_views_that_overlap_its_own() {
        let mut random = crate::rng::Philox::new(3, crate::rng::Stream::Data, 0);
        let mut below = |most: u32| random.below(most) as usize;
        for _ in 0..300 {
            let (mut segments, mut noted) = (Segments::<Vec<usize>>::default(), Vec::new());
            for number in 0..12 {
                let start = below(40);
                let view = view(below(2), start..start + 1 + below(12), if below(12) == 0 { 64 } else { 0 });
                let found: std::collections::BTreeSet<usize> = segments.on(&view).flatten().copied().collect();
                let wanted = noted.iter().enumerate().filter(|(_, other): &(usize, &View)| view.overlaps(other));
                assert_eq!(found, wanted.map(|(number, _)| number).collect());
                assert_eq!(segments.covers(&view), !found.is_empty());
                segments.note(&view, |numbers| numbers.push(number));
                noted.push(view);
            }
        }
    }
}
