//! A scene as PNG, painted by plotters with the built-in font.

use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::files;
use crate::report::figure::FigureError;
use crate::report::figure::palette::{Ink, Rgb};
use crate::report::figure::scene::{Anchor, Scene, Shape};

/// Pixels per unit of the scene.
const SCALE: f64 = 2.0;
/// plotters' size of a font is the height from ascent to descent; DejaVu Sans has 1.164 em there.
const EM: f64 = 1.164;
const FAMILY: &str = "rmbench";

static REGULAR: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-Bold.ttf");

/// Whether a character can be drawn without shaping: Latin, Greek, Cyrillic, punctuation, signs.
pub fn can_draw(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{A0}'..='\u{52F}' | '\u{1E00}'..='\u{1FFF}' | '\u{2010}'..='\u{2027}')
        || matches!(c, '\u{2030}'..='\u{205E}' | '\u{2190}'..='\u{22FF}' | '⟨' | '⟩')
}

/// Registered once per process: plotters keeps fonts in a global table.
fn fonts() -> Result<(), FigureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let done = *REGISTERED.get_or_init(|| {
        register_font(FAMILY, FontStyle::Normal, REGULAR).is_ok()
            && register_font(FAMILY, FontStyle::Bold, BOLD).is_ok()
    });
    if done { Ok(()) } else { Err(FigureError::Font) }
}

pub fn paint(id: &str, scene: &Scene) -> Result<Vec<u8>, FigureError> {
    fonts()?;
    let failed = |reason: String| FigureError::Paint { id: id.to_owned(), reason };
    let dir = tempfile::tempdir().map_err(|e| failed(e.to_string()))?;
    let path = dir.path().join("figure.png");
    {
        let size = ((scene.width * SCALE).ceil() as u32, (scene.height * SCALE).ceil() as u32);
        let area = BitMapBackend::new(&path, size).into_drawing_area();
        area.fill(&WHITE).map_err(|e| failed(e.to_string()))?;
        for shape in scene.groups.iter().flat_map(|g| &g.shapes) {
            draw(&area, shape).map_err(|e| failed(e.to_string()))?;
        }
        area.present().map_err(|e| failed(e.to_string()))?;
    }
    Ok(files::read_bytes(&path)?)
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(area: &Area<'a>, shape: &Shape) -> Drawn<'a> {
    match shape {
        Shape::Line { from, to, ink, width, dashed } => {
            // Rules are there to be overlooked: plotters makes two pixels look like three.
            let width = if *ink == Ink::Rule { 1.0 } else { (width * SCALE).round().max(1.0) };
            let style = colour(*ink).stroke_width(width as u32);
            if !dashed {
                return area.draw(&PathElement::new(vec![pixel(*from), pixel(*to)], style));
            }
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let along = |d: f64| {
                let t = d.min(length) / length;
                pixel((from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t))
            };
            let mut at = 0.0;
            while at < length {
                area.draw(&PathElement::new(vec![along(at), along(at + 4.0)], style))?;
                at += 7.0;
            }
            Ok(())
        }
        Shape::Rect { at, size, fill } => {
            let corners = [pixel(*at), pixel((at.0 + size.0, at.1 + size.1))];
            area.draw(&Rectangle::new(corners, rgb(*fill).filled()))
        }
        Shape::Marker { kind, center, radius, ink, hollow } => {
            let (outer, inner) = (colour(*ink), colour(Ink::Paper));
            let fill = |radius: f64, colour: RGBColor| {
                let corners = kind.corners(*center, radius);
                if corners.is_empty() {
                    return area.draw(&Circle::new(pixel(*center), (radius * SCALE) as i32, colour.filled()));
                }
                area.draw(&Polygon::new(corners.into_iter().map(pixel).collect::<Vec<_>>(), colour.filled()))
            };
            fill(radius + if *hollow { 0.9 } else { 0.0 }, outer)?;
            if *hollow { fill(radius - 0.9, inner) } else { Ok(()) }
        }
        Shape::Words { text, at, anchor, size, bold, ink, .. } => {
            let height = size * SCALE * EM;
            let style = if *bold { FontStyle::Bold } else { FontStyle::Normal };
            let font = FontDesc::new(FontFamily::Name(FAMILY), height, style);
            let (width, _) = font.box_size(text).map(|(w, h)| (f64::from(w), h)).unwrap_or((0.0, 0));
            let shift = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
            // plotters puts the baseline half the font's height below the given point.
            let position = ((at.0 * SCALE - shift).round() as i32, (at.1 * SCALE - height / 2.0).round() as i32);
            area.draw(&Text::new(text.as_str(), position, font.color(&colour(*ink))))
        }
    }
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn colour(ink: Ink) -> RGBColor {
    rgb(ink.on_white())
}

fn rgb(Rgb(r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}
