//! A ticket's token as a QR code that phones and scanners read off paper and screens.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder};

use crate::error::ApiError;

/// Modules of white on each side, as ISO/IEC 18004 demands.
const QUIET: usize = 4;
/// Pixels of a module: whole ones, so that no edge is blurred.
const SCALE: usize = 8;

/// A code with its quiet zone.
pub(crate) struct Qr {
    /// Modules of a side.
    side: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// Error correction M: 15 % of it may be creased or dirty.
    pub fn of(text: &str) -> Result<Self, ApiError> {
        let broken = |error| ApiError::unavailable(&format!("a ticket's QR code: {error}"));
        let code = QRBuilder::new(text).ecl(ECL::M).build().map_err(broken)?;
        let side = code.size + 2 * QUIET;
        let mut dark = vec![false; side * side];
        for (y, row) in dark.chunks_mut(side).skip(QUIET).take(code.size).enumerate() {
            for (module, code) in row.iter_mut().skip(QUIET).zip(&code[y]) {
                *module = code.value();
            }
        }
        Ok(Self { side, dark })
    }

    fn rows(&self) -> impl Iterator<Item = &[bool]> {
        self.dark.chunks(self.side)
    }

    /// Black on white, one bit a pixel.
    pub fn png(&self) -> Result<Vec<u8>, ApiError> {
        let broken = |error: png::EncodingError| ApiError::unavailable(&format!("a ticket's PNG: {error}"));
        let pixels = self.side * SCALE;
        let width = u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut bits = Vec::with_capacity(pixels * pixels.div_ceil(8));
        for row in self.rows() {
            // At eight pixels a module, a module is a byte.
            let line: Vec<u8> = row.iter().map(|dark| if *dark { 0x00 } else { 0xff }).collect();
            for _ in 0..SCALE {
                bits.extend_from_slice(&line);
            }
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(broken)?;
        writer.write_image_data(&bits).map_err(broken)?;
        writer.finish().map_err(broken)?;
        Ok(file)
    }

    /// A drawing that is sharp at any size: one path, a stroke of it for each run of dark modules.
    pub fn svg(&self, title: &str) -> String {
        let mut path = String::new();
        for (y, row) in self.rows().enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|one, next| one == next) {
                if run.first() == Some(&true) {
                    // Writing to a string does not fail.
                    _ = write!(path, "M{x} {y}h{0}v1h-{0}z", run.len());
                }
                x += run.len();
            }
        }
        let (side, title) = (self.side, escape(title));
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" shape-rendering="crispEdges"><title>{title}</title><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>"##
        )
    }
}

/// Text within markup.
pub(crate) fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder that is not ours reads of the modules, without the quiet zone.
    fn read_back(qr: &Qr) -> String {
        let dark = |x: usize, y: usize| qr.dark[(y + QUIET) * qr.side + x + QUIET];
        let grid = rqrr::SimpleGrid::from_func(qr.side - 2 * QUIET, dark);
        rqrr::Grid::new(grid).decode().unwrap().1
    }

    #[test]
    fn a_token_of_any_length_is_read_back_as_it_was() {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut letter = 7;
        for length in (300..1_000).step_by(23) {
            let mut next = || {
                letter = (letter * 29 + length + 11) % 4_093;
                char::from(LETTERS[letter % 64])
            };
            let token: String = (0..length).map(|_| next()).collect();
            assert_eq!(read_back(&Qr::of(&token).unwrap()), token, "{length}");
        }
    }

    #[test]
    fn what_does_not_fit_into_a_code_is_refused() {
        assert!(Qr::of(&"x".repeat(3_000)).is_err());
    }
}
