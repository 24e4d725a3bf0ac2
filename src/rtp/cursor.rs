//! Writing into a caller's buffer, which can be full but not overrun.

/// The caller's buffer is too small for what should go into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small for this packet")]
pub struct NoRoom;

/// Writes a byte slice from front to back: the counterpart of [`crate::wire::Reader`].
pub(super) struct Cursor<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    /// Bytes written so far.
    pub(super) fn length(&self) -> usize {
        self.at
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        self.put_at(self.at, bytes)?;
        self.at += bytes.len();
        Ok(())
    }

    pub(super) fn zeros(&mut self, count: usize) -> Result<(), NoRoom> {
        let end = self.at.checked_add(count).ok_or(NoRoom)?;
        self.buffer.get_mut(self.at..end).ok_or(NoRoom)?.fill(0);
        self.at = end;
        Ok(())
    }

    /// Overwrites what was written before: a length that is known at the end only.
    pub(super) fn put_at(&mut self, at: usize, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = at.checked_add(bytes.len()).ok_or(NoRoom)?;
        self.buffer.get_mut(at..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        Ok(())
    }
}
