//! The guests' allocator. An instance lives for some microseconds, so memory is handed out one piece behind the other from an
//! arena that is there from the start: nothing grows, and nothing is searched. What does not fit comes from the standard
//! allocator.

#![expect(unsafe_code, reason = "an allocator hands out pointers")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// Size of the arena, bytes.
const SIZE: usize = 256 * 1024;

struct Arena {
    next: UnsafeCell<usize>,
    space: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Arena {}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ARENA: Arena = Arena::new();

impl Arena {
    const fn new() -> Self {
        Arena {
            next: UnsafeCell::new(0),
            space: UnsafeCell::new([0; SIZE]),
        }
    }

    /// Place in the arena at which a piece ends; `None` for what lies outside.
    fn end(&self, piece: *mut u8, size: usize) -> Option<usize> {
        let start = piece.addr().wrapping_sub(self.space.get().addr());
        (start < SIZE).then_some(start + size)
    }
}

// SAFETY: pieces of the arena do not overlap: `next` only moves over what is free. All else is the standard allocator's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe {
            let base = self.space.get().cast::<u8>();
            let start =
                (base.addr() + *self.next.get()).next_multiple_of(layout.align()) - base.addr();
            if layout.size() > SIZE.saturating_sub(start) {
                return System.alloc(layout);
            }
            *self.next.get() = start + layout.size();
            base.add(start)
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        unsafe {
            match self.end(piece, layout.size()) {
                None => System.dealloc(piece, layout),
                // The last piece is free again; others are not used again.
                Some(end) if end == *self.next.get() => *self.next.get() = end - layout.size(),
                Some(_) => {}
            }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe {
            match self.end(piece, layout.size()) {
                None => System.realloc(piece, layout, size),
                Some(end) if end == *self.next.get() && end - layout.size() + size <= SIZE => {
                    *self.next.get() = end - layout.size() + size;
                    piece
                }
                Some(_) => {
                    let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
                        self.dealloc(piece, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TESTED: Arena = Arena::new();

    /// Pieces of all sizes, inside and beyond the arena: none overlaps another, and all keep what was written.
    #[test]
    fn pieces_are_aligned_apart_and_keep_their_content() {
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        let mut pieces: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for round in 0..600_usize {
            let fill = u8::try_from(round % 251).unwrap();
            let wanted = layout(1 + round * 37 % 2000, 1 << (round % 5));
            unsafe {
                let piece = TESTED.alloc(wanted);
                assert_eq!(piece.addr() % wanted.align(), 0);
                piece.write_bytes(fill, wanted.size());
                pieces.push((piece, wanted, fill));
                if round % 3 == 0 {
                    let (piece, old, fill) = pieces[round / 2];
                    let new = layout(old.size() + round % 400, old.align());
                    let moved = TESTED.realloc(piece, old, new.size());
                    moved.write_bytes(fill, new.size());
                    pieces[round / 2] = (moved, new, fill);
                }
                if round % 7 == 0 {
                    let (piece, layout, _) = pieces.pop().unwrap();
                    TESTED.dealloc(piece, layout);
                    let again = TESTED.alloc(layout);
                    again.write_bytes(7, layout.size());
                    pieces.push((again, layout, 7));
                }
            }
        }
        assert!(
            pieces
                .iter()
                .any(|(piece, ..)| TESTED.end(*piece, 0).is_some())
        );
        assert!(
            pieces
                .iter()
                .any(|(piece, ..)| TESTED.end(*piece, 0).is_none())
        );
        for (piece, layout, fill) in pieces {
            let bytes = unsafe { std::slice::from_raw_parts(piece, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == fill));
            unsafe { TESTED.dealloc(piece, layout) };
        }
    }
}
